"""Sends lines one after the other from a spool on disk, and waits where the receiver is away."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Protocol

from listener.base.trouble import Trouble
from listener.storage.spool import GATHER_S, Spool

FIRST_PAUSE_S = 1.0
CLOSE_S = 0.7  # what waits may still go out for so long,
ABORT_S = 0.2  # and a request that is cut off is over so soon


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a line. `after_s` is how long the receiver wants to be left alone."""

    kind: Literal["taken", "later", "refused"]
    why: str = ""
    after_s: float = 0.0


class Receiver(Protocol):
    """Where lines go."""

    def deliver(self, line: bytes) -> Answer:
        """Send it and wait for the answer. Raises nothing it expects."""

    def abort(self) -> None:
        """From another thread: `deliver` is to return soon."""


class Sender:
    """The thread between a spool and a receiver. A line leaves the spool when it was taken or refused.

    Spool and receiver are used by it until it ends, so that it is the one who closes them. Where it hangs, the spool is
    taken away from it: a sink that comes in the place of this one must find what waits.
    """

    def __init__(
        self, spool: Spool, receiver: Receiver, held: ExitStack, trouble: Trouble, longest_pause_s: float
    ) -> None:
        self._spool, self._receiver, self._held = spool, receiver, held
        self._trouble, self._longest_pause_s = trouble, longest_pause_s
        self._wake, self._closing, self._aborted = threading.Event(), threading.Event(), threading.Event()
        self._failures = 0
        self.refused = 0
        self._thread = threading.Thread(target=self._run, name="webhook sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Let it wait for its turn, on disk."""
        self._spool.put(line)
        self._wake.set()

    def close(self) -> None:
        """Send for a moment more what waits; the rest stays for the next time."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        self._aborted.set()
        if self._thread.is_alive():
            self._receiver.abort()
            self._thread.join(ABORT_S)  # a look-up of a name cannot be cut off: then the process ends without it
        self._spool.close()

    def _run(self) -> None:
        with self._held:
            while not self._aborted.is_set():
                self._wake.clear()
                pause_s = self._step()
                if pause_s is None:
                    if self._closing.is_set():
                        return
                    self._wake.wait(GATHER_S)
                elif pause_s and self._closing.wait(pause_s):
                    return

    def _step(self) -> float | None:
        """Deliver the oldest line; how long to pause then, None where nothing waits."""
        try:
            waiting = self._spool.first(1)
            if not waiting:
                self._spool.gather()
                return 0.0 if len(self._spool) else None
            number, line = waiting[0]
            pause_s = self._deliver(line)
            if not pause_s:
                self._spool.remove(number)
            return pause_s
        except Exception as err:  # noqa: BLE001 - whatever goes wrong with one request, the thread goes on
            self._trouble.say(f"{type(err).__name__}: {err}", "surprise")
        return self._pause_s(0.0)

    def _deliver(self, line: bytes) -> float:
        """How long to pause before the line is tried again; 0 where it is done with."""
        answer = self._receiver.deliver(line)
        if answer.kind == "later":
            self._trouble.say(f"{answer.why}; events wait on disk until it takes them", "later")
            return self._pause_s(answer.after_s)
        self._failures = 0
        if answer.kind == "refused":
            self.refused += 1
            self._trouble.say(f"{answer.why}; events that it refuses are dropped", "refused")
        else:
            self._trouble.over(f"takes events again; {len(self._spool) - 1} wait, {self.refused} were refused so far")
        return 0.0

    def _pause_s(self, after_s: float) -> float:
        """Twice as long from one failure to the next, up to the longest; and not before the receiver wants it."""
        self._failures = min(self._failures + 1, 30)
        return max(min(FIRST_PAUSE_S * 2.0 ** (self._failures - 1), self._longest_pause_s), after_s)
