"""Audio from a program that is started again whenever it ends or stalls. Every live source is one.

A stream goes on by the clock while its program is away, so that the absence is a gap of honest length.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from listener.base.clocks import uptime
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource, Report, SourceUnavailable
from listener.sources.pcm import amplified, full_scale
from listener.sources.process.child import Child

FIRST_DELAY_S = 0.25
LAST_DELAY_S = 5.0
NOTICE_S = 4.0  # a start that takes longer is said to
STEADY_S = 10.0  # a program that ran so long starts again with the first delay


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of what a program gave; `index` counts samples since it was started."""

    index: int
    rate: int
    pcm: Pcm
    captured_at: float


class Decoder(Protocol):
    """Makes chunks of a program's output. One for each start of it."""

    def __call__(self, received: bytes) -> Iterator[Chunk]: ...

    def described(self) -> str:
        """What is being heard, once there has been a chunk."""

    def stale(self, *, doubted: bool) -> str:
        """Why the program should be started again though audio comes; empty where that would not help."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run and what to expect of it.

    `argv` is asked at each start, `decoder` is given the program's process id, and `ended` says in a sentence what an
    exit status means.
    """

    argv: Callable[[], Sequence[str]]
    environment: dict[str, str] | None
    decoder: Callable[[int], Decoder]
    starting_s: float  # it may take so long to the first audio
    stalled_s: float  # and then be silent for so long
    ended: Callable[[int | None, str], str]


class Timeline:
    """Places what one run after another gave on one stream."""

    def __init__(self, clock: Callable[[], float], asleep: Callable[[], float]) -> None:
        self._clock, self._asleep = clock, asleep
        self._base: int | None = None  # where the running program's sample 0 lies; None between two
        self._stop, self._rate = 0, 1
        self._heard_at = 0.0
        self._slept_s = 0.0

    def interrupt(self) -> None:
        """What comes next is of another run."""
        self._base = None

    def place(self, chunk: Chunk) -> int:
        """Where it starts, in samples since the stream began."""
        now, slept_s = self._clock(), self._asleep()
        if self._base is None:
            self._base = self._resumed(chunk, now) - chunk.index
        elif slept_s - self._slept_s > 1:  # the machine slept under a program that knows nothing of it
            self._base += round((slept_s - self._slept_s) * chunk.rate)
        start = self._base + chunk.index
        self._stop, self._rate = start + len(chunk.pcm), chunk.rate
        self._heard_at, self._slept_s = now, slept_s
        return start

    def _resumed(self, chunk: Chunk, now: float) -> int:
        if not self._stop:
            return 0
        away = round((now - self._heard_at) * chunk.rate) - len(chunk.pcm)
        return -(-self._stop * chunk.rate // self._rate) + max(1, away)  # at least a sample, so that it is a gap


class ProcessSource(BaseSource):
    """A source: the blocks of a program, started again with growing delays for as long as it takes."""

    live = True

    def __init__(self, recipe: ProcessSpec, *, name: str, wait: bool, gain_db: float) -> None:
        self._recipe, self.name = recipe, name
        self.silence_timeout_s = recipe.stalled_s
        self._wait, self._gain_db = wait, gain_db
        self._closed = threading.Event()
        self._timeline = Timeline(uptime, _asleep)
        self._ever_heard = False
        self._doubted = False

    def close(self) -> None:
        """End `blocks` soon."""
        self._closed.set()

    def on_signal_fault(self) -> None:
        """The latest block is hardly what a microphone hears: the program is started again where that helps."""
        self._doubted = True

    def blocks(self, report: Report) -> Iterator[Block]:
        """Blocks until `close`. SourceError where the first start fails and is not to be waited for."""
        delay_s = FIRST_DELAY_S
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                yield from self._run(report)
            except SourceError as err:
                if not self._ever_heard:
                    self._give_up(err)
                report(self._absent, str(err))
            if time.monotonic() - began > STEADY_S:
                delay_s = FIRST_DELAY_S
            self._closed.wait(delay_s)
            delay_s = min(2 * delay_s, LAST_DELAY_S)

    @property
    def _absent(self) -> SourceState:
        return SourceState.RECOVERING if self._ever_heard else SourceState.WAITING

    def _give_up(self, err: SourceError) -> None:
        """Raise what the first start met, unless it may pass and is to be waited for."""
        if not isinstance(err, SourceUnavailable):
            raise SourceError(f"{self.name}: {err}") from err
        if not self._wait:
            raise SourceError(f"{self.name}: {err}. To wait for it: --wait, or wait = true for the source") from err

    def _run(self, report: Report) -> Iterator[Block]:
        """Blocks of one start. Ends when closed; SourceUnavailable says why it ended otherwise."""
        self._timeline.interrupt()
        self._doubted = False
        said = ""
        with _started(self._recipe) as child, closing(self._recipe.decoder(child.pid)) as decode:
            while received := self._listened(child) if said else self._awaited(child, report):
                for chunk in decode(received):
                    self._ever_heard = True
                    if said != (now := decode.described()):
                        said = now
                        report(SourceState.LISTENING, said)
                    yield self._block(chunk)
                if said and (why := decode.stale(doubted=self._doubted)):
                    raise SourceUnavailable(why)
                self._doubted = False

    def _awaited(self, child: Child, report: Report) -> bytes:
        """What it wrote before there was audio, b"" when closed."""
        received = child.read(NOTICE_S, self._closed.is_set)
        if received is None:
            report(self._absent, f"no audio for {NOTICE_S:g} s since it was started")
            received = child.read(self._recipe.starting_s - NOTICE_S, self._closed.is_set)
        return self._checked(child, received, self._recipe.starting_s)

    def _listened(self, child: Child) -> bytes:
        """What it wrote next, b"" when closed."""
        return self._checked(child, child.read(self._recipe.stalled_s, self._closed.is_set), self._recipe.stalled_s)

    def _checked(self, child: Child, received: bytes | None, patience_s: float) -> bytes:
        if received is None:
            raise SourceUnavailable(f"no audio for {patience_s:g} s")
        if not received and not self._closed.is_set():
            raise SourceUnavailable(self._recipe.ended(child.status(), child.complaint()))
        return received

    def _block(self, chunk: Chunk) -> Block:
        pcm = amplified(chunk.pcm, self._gain_db)
        return Block(self._timeline.place(chunk), chunk.rate, pcm, chunk.captured_at, full_scale(self._gain_db))


def _started(recipe: ProcessSpec) -> Child:
    argv = recipe.argv()
    try:
        return Child(argv, recipe.environment)
    except OSError as err:
        raise SourceError(f"{argv[0]!r} cannot be run: {err.strerror}; is it installed and on PATH?") from err


def _asleep() -> float:
    """How long the machine has slept since it was started."""
    return uptime() - time.monotonic()
