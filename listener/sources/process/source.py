"""Audio from a program that is restarted whenever it ends or stalls. Every live source is one.

The stream continues by the clock while the program is away, so that the absence is a gap of the right length.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from listener.base.backoff import Backoff
from listener.base.clocks import uptime
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource, Report, SourceConfig, SourceUnavailable
from listener.sources.pcm import full_scale
from listener.sources.process.child import ChildProcess

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
LAST_DELAY_S = 5.0
NOTICE_S = 4.0  # a start that takes longer is reported
STEADY_S = 10.0  # a program that ran this long is restarted with the first delay
AHEAD_S = 5.0  # a program that is further ahead of the clock can wait for us, as no device can


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of what a program wrote.

    Attributes:
        index: The number of its first sample since the program was started.
        rate: Hz.
        pcm: int16 (samples, channels).
        captured_at: Unix time of its last sample.
    """

    index: int
    rate: int
    pcm: Pcm
    captured_at: float


class Decoder(Protocol):
    """Turns the output of a program into chunks. Each start of the program has one of its own."""

    def __call__(self, received: bytes) -> Iterator[Chunk]:
        """Yield the audio chunks in the received bytes."""

    def described(self) -> str:
        """Describe what is being recorded. Called after the first chunk."""

    def stale(self, *, doubted: bool) -> str:
        """Return why the program should be restarted although audio arrives, or an empty string.

        Args:
            doubted: Whether the audio is not what a working microphone delivers.
        """

    def close(self) -> None:
        """Release what the decoder has opened."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A program and what to expect of it.

    Attributes:
        argv: Returns the command line; called for each start.
        environment: Its environment; None for that of this process.
        decoder: Makes a decoder for the process id of a start.
        starting_s: How long it may take to deliver the first audio.
        stalled_s: How long it may deliver nothing after that.
        ended: Makes an error of an exit status, None if it still runs, and the last words of the program.
        settle_s: How much audio is dropped after each start, because devices pop as they are opened.
    """

    argv: Callable[[], Sequence[str]]
    environment: dict[str, str] | None
    decoder: Callable[[int], Decoder]
    starting_s: float
    stalled_s: float
    ended: Callable[[int | None, str], SourceUnavailable]
    settle_s: float = 0.0


class Timeline:
    """Places the chunks of one start of a program after another in one stream.

    Args:
        clock: Seconds, time in which the machine slept included.
        asleep: How many of those seconds the machine slept.
    """

    def __init__(self, clock: Callable[[], float], asleep: Callable[[], float]) -> None:
        self._clock, self._asleep = clock, asleep
        self._base: int | None = None  # the position of the program's sample 0; None between two starts
        self._stop, self._rate = 0, 1
        self._received_at = 0.0
        self._slept_s = 0.0

    def interrupt(self) -> None:
        """Note that the next chunk comes from another start."""
        self._base = None

    def place(self, chunk: Chunk) -> int:
        """Return the start of a chunk in samples since the stream began."""
        now, slept_s = self._clock(), self._asleep()
        if self._base is None:
            self._base = self._resumed(chunk, now) - chunk.index
        elif slept_s - self._slept_s > 1:  # the program does not know that the machine slept
            self._base += round((slept_s - self._slept_s) * chunk.rate)
        start = self._base + chunk.index
        self._stop, self._rate = start + len(chunk.pcm), chunk.rate
        self._received_at, self._slept_s = now, slept_s
        return start

    def _resumed(self, chunk: Chunk, now: float) -> int:
        if not self._stop:
            return 0
        away = round((now - self._received_at) * chunk.rate) - len(chunk.pcm)
        return -(-self._stop * chunk.rate // self._rate) + max(1, away)  # at least one sample, so that it is a gap


class ProcessSource(BaseSource):
    """The audio of a program, which is restarted with growing delays until the source is closed.

    Args:
        spec: The program.
        config: The settings that all sources have.
        wait: Whether to keep trying if the first start fails.
    """

    live = True

    def __init__(self, spec: ProcessSpec, config: SourceConfig, *, wait: bool) -> None:
        self.name, self.silence_timeout_s = config.name, spec.stalled_s
        self._spec, self._audio, self._wait = spec, config, wait
        self._closed = threading.Event()
        self._timeline = Timeline(uptime, _asleep)
        self._delivered = False
        self._doubted = False
        self._is_ahead = False

    @property
    def can_wait(self) -> bool:
        """Whether the program writes faster than the clock runs, and so can wait for its reader."""
        return not self.live or self._is_ahead

    def close(self) -> None:
        """Make `blocks` end soon."""
        self._closed.set()

    def on_signal_fault(self) -> None:
        """Restart the program before the next block if that may help."""
        self._doubted = True

    def blocks(self, report: Report) -> Iterator[Block]:
        """Yield blocks until `close` is called, or until a program that is not live has ended well.

        Raises:
            SourceError: The first start failed, and it is not to be waited for.
        """
        backoff = Backoff(FIRST_DELAY_S, LAST_DELAY_S)
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                yield from self._run(report)
            except SourceError as err:
                if not self._delivered:
                    self._give_up(err)
                report(self._absent, str(err))
            if time.monotonic() - began > STEADY_S:
                backoff.succeeded()
            self._closed.wait(backoff.failed())

    @property
    def _absent(self) -> SourceState:
        return SourceState.RECOVERING if self._delivered else SourceState.WAITING

    def _give_up(self, err: SourceError) -> None:
        """Raise the error of the first start, unless it may pass and is to be waited for."""
        remedy = err.remedy
        if isinstance(err, SourceUnavailable):
            if self._wait:
                return
            remedy = f"{remedy} To wait for it: --wait, or wait = true for the source.".strip()
        raise SourceError(f"{self.name}: {err.message}", code=err.code, remedy=remedy) from err

    def _run(self, report: Report) -> Iterator[Block]:
        """Yield the blocks of one start, until it is closed or has ended well."""
        self._timeline.interrupt()
        self._doubted = False
        description, unsettled_s = "", self._spec.settle_s
        began = time.monotonic()
        with _started(self._spec) as child, closing(self._spec.decoder(child.pid)) as decode:
            while received := self._next(child) if description else self._first(child, report):
                for chunk in decode(received):
                    self._delivered = True
                    if description != (now := decode.described()):
                        description = now
                        report(SourceState.LISTENING, description)
                    if unsettled_s > 0:
                        unsettled_s -= len(chunk.pcm) / chunk.rate
                        continue
                    yield self._block(chunk)
                    self._compare(chunk.index / chunk.rate, time.monotonic() - began)
                if description and (why := decode.stale(doubted=self._doubted)):
                    raise SourceUnavailable(why, code="source-moved")
                self._doubted = False

    def _first(self, child: ChildProcess, report: Report) -> bytes:
        """Return what the program wrote before there was audio, nothing if it is closed."""
        received = child.read(NOTICE_S, self._closed.is_set)
        if received is None:
            report(self._absent, f"no audio for {NOTICE_S:g} s since it was started")
            received = child.read(self._spec.starting_s - NOTICE_S, self._closed.is_set)
        return self._checked(child, received, self._spec.starting_s)

    def _next(self, child: ChildProcess) -> bytes:
        """Return what the program wrote next, nothing if it is closed."""
        return self._checked(child, child.read(self._spec.stalled_s, self._closed.is_set), self._spec.stalled_s)

    def _checked(self, child: ChildProcess, received: bytes | None, timeout_s: float) -> bytes:
        if received is None:
            raise SourceUnavailable(f"no audio for {timeout_s:g} s", code="source-stalled")
        if not received and not self._closed.is_set():
            status = child.status()
            if self.live or status != 0 or not self._delivered:
                raise self._spec.ended(status, child.complaint())
            self._closed.set()  # a recording has been played
        return received

    def _compare(self, stream_s: float, elapsed_s: float) -> None:
        """Compare what arrived with the clock."""
        if not self._is_ahead and stream_s - elapsed_s > AHEAD_S:
            self._is_ahead = True
            log.info("%s: audio arrives faster than the clock runs; it is read as fast as it is heard", self.name)

    def _block(self, chunk: Chunk) -> Block:
        start = self._timeline.place(chunk)
        pcm = self._audio.prepared(chunk.pcm)
        return Block(start, chunk.rate, pcm, chunk.captured_at, full_scale(self._audio.gain_db))


def _started(spec: ProcessSpec) -> ChildProcess:
    argv = spec.argv()
    try:
        return ChildProcess(argv, spec.environment)
    except OSError as err:
        message = f"{argv[0]!r} cannot be run: {err.strerror}"
        raise SourceError(message, code="program-missing", remedy="Install it, or write its full path.") from err


def _asleep() -> float:
    """Return how long the machine has slept since it was started."""
    return uptime() - time.monotonic()
