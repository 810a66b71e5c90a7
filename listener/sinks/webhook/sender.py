"""Send lines from a spool one after the other, and wait while the receiver is away."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Protocol

from listener.base.backoff import Backoff
from listener.base.incidents import IncidentLog
from listener.storage.spool import Spool

FIRST_PAUSE_S = 1.0
CLOSE_S = 0.7  # how long lines are still sent while the sink is closed
ABORT_S = 0.2  # how long a request takes to end that is cut off
MAX_FAILING_S = 900.0  # a line at which the receiver fails for this long is dropped, so that it blocks no other


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver made of a line.

    Attributes:
        kind: `later` if the receiver is away, `failing` if it fails at this line, which others may not be affected by.
        why: The reason, in words.
        after_s: How long the receiver wants to be left alone, in seconds.
    """

    kind: Literal["taken", "later", "failing", "refused"]
    why: str = ""
    after_s: float = 0.0


class Receiver(Protocol):
    """Where lines go."""

    def deliver(self, line: bytes) -> Answer:
        """Send a line and wait for the answer. Failures are answers, not exceptions."""

    def abort(self) -> None:
        """Make `deliver`, in another thread, return soon."""


class Sender:
    """The thread between a spool and a receiver. A line leaves the spool when it was taken or refused.

    The thread closes `held`, which holds spool and receiver, when it ends. If it hangs, `close` takes the spool away
    from it, so that the next sink finds the lines that wait.
    """

    def __init__(
        self,
        spool: Spool,
        receiver: Receiver,
        held: ExitStack,
        incidents: IncidentLog,
        *,
        longest_pause_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool, self._receiver, self._held, self._clock = spool, receiver, held, clock
        self._incidents = incidents
        self._wake, self._closing, self._aborted = threading.Event(), threading.Event(), threading.Event()
        self._backoff = Backoff(FIRST_PAUSE_S, longest_pause_s)
        self._failing: tuple[int, float] | None = None  # number of the line, and since when
        self.refused = 0
        self._thread = threading.Thread(target=self._run, name="webhook sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line on disk."""
        self._spool.put(line)
        self._wake.set()

    def close(self) -> None:
        """Send for a moment longer; the rest stays on disk for the next time."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        self._aborted.set()
        if self._thread.is_alive():
            self._receiver.abort()
            self._thread.join(ABORT_S)  # a name look-up cannot be cut off, and is abandoned
        self._spool.close()

    def _run(self) -> None:
        with self._held:
            while not self._aborted.is_set():
                self._wake.clear()
                pause_s = self._step()
                if pause_s is None:
                    if self._closing.is_set():
                        return
                    self._wake.wait()
                elif pause_s and self._closing.wait(pause_s):
                    return

    def _step(self) -> float | None:
        """Deliver the oldest line; return how long to pause then, None if nothing waits."""
        try:
            waiting = self._spool.first(1)
            if not waiting:
                return None
            number, line = waiting[0]
            pause_s = self._deliver(number, line)
            if not pause_s:
                self._spool.remove(number)
            return pause_s
        except Exception as err:  # noqa: BLE001 - an error of one request does not end the thread
            self._incidents.report(f"{type(err).__name__}: {err}", "bug")
        return self._backoff.failed()

    def _deliver(self, number: int, line: bytes) -> float:
        """Deliver a line; return how long to pause before it is tried again, 0 if it is done with."""
        answer = self._receiver.deliver(line)
        if answer.kind == "failing" and self._fails_for_long(number):
            answer = Answer("refused", answer.why)
        if answer.kind in ("later", "failing"):
            self._incidents.report(f"{answer.why}. Events wait on disk until it takes them", "later")
            return max(self._backoff.failed(), answer.after_s)
        self._backoff.succeeded()
        if answer.kind == "refused":
            self.refused += 1
            self._incidents.report(f"{answer.why}. Events that it refuses are dropped", "refused")
        else:
            count = f"{len(self._spool) - 1} wait, {self.refused} were refused so far"
            self._incidents.resolve(f"takes events again; {count}")
        return 0.0

    def _fails_for_long(self, number: int) -> bool:
        now = self._clock()
        if self._failing is None or self._failing[0] != number:
            self._failing = number, now
        return now - self._failing[1] >= MAX_FAILING_S
