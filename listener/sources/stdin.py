"""Standard input: `arecord -f S16_LE -r 48000 | listener run --source stdin --rate 48000`."""

import math
import os
import select
import stat
import threading
from collections.abc import Iterator
from typing import Annotated

from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource, Position, Report, SourceConfig
from listener.sources.pcm import MAX_RATE, MIN_RATE, full_scale
from listener.sources.stream import FORMATS, ArrivalClock, StreamDecoder, StreamFormat

READ_BYTES = 1 << 16
POLL_MS = 100


class StdinConfig(SourceConfig, frozen=True):
    """Standard input, raw PCM or WAV."""

    name: Annotated[str, Meta(min_length=1, description="the name in events; each source has its own")] = "stdin"
    format: Annotated[StreamFormat, Meta(description=FORMATS)] = "auto"
    rate: Annotated[int, Meta(ge=MIN_RATE, le=MAX_RATE, description="Hz, of raw samples; a WAV states its own")] = 16000
    channels: Annotated[int, Meta(ge=1, le=64, description="of raw samples; a WAV states its own")] = 1


class Stdin(BaseSource):
    """Standard input until it ends. The writer waits for the reader, so that nothing is lost."""

    Config = StdinConfig
    requirements = Requirements(exclusive=("standard input",))
    silence_timeout_s = math.inf  # the writer may pause

    def __init__(self, config: StdinConfig, fd: int = 0) -> None:
        self.name = config.name
        self._config, self._fd = config, fd
        self._closed = threading.Event()

    def close(self) -> None:
        """Make `blocks` end soon."""
        self._closed.set()

    def blocks(self, report: Report) -> Iterator[Block]:
        """Read until the input ends or `close` is called.

        Raises:
            SourceError: The input is a terminal, is closed, is not of the declared format, or holds no audio.
        """
        is_timed = not self._is_file()  # a file was not captured now
        decoder = StreamDecoder(self._config.format, self._config.rate, self._config.channels)
        position, clock = Position(), ArrivalClock()
        try:
            for pcm in self._decoded(decoder):
                if not position.seconds:
                    report(SourceState.LISTENING, f"standard input, {decoder.rate} Hz")
                start = position.advance(len(pcm), decoder.rate)
                captured_at = clock.captured_at(position.seconds) if is_timed else None
                prepared = self._config.prepared(pcm)
                yield Block(start, decoder.rate, prepared, captured_at, full_scale(self._config.gain_db))
        except SourceError as err:
            raise SourceError(f"standard input: {err.message}", code=err.code, remedy=err.remedy) from err
        if not position.seconds and not self._closed.is_set():
            remedy = "Check the program before the pipe."
            raise SourceError("standard input holds no audio", code="source-empty", remedy=remedy)

    def _is_file(self) -> bool:
        remedy = "Pipe audio into it, for example: arecord -f S16_LE -r 16000 | listener run --source stdin"
        if os.isatty(self._fd):
            raise SourceError("standard input is a terminal", code="stdin-terminal", remedy=remedy)
        try:
            return stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError as err:
            raise SourceError("standard input is closed", code="stdin-closed", remedy=remedy) from err

    def _decoded(self, decoder: StreamDecoder) -> Iterator[Pcm]:
        while received := self._read():
            yield from decoder(received)
        if not self._closed.is_set():
            yield from decoder.end()

    def _read(self) -> bytes:
        """Return the next bytes, or nothing at the end or after `close`."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self._closed.is_set():
            if poll.poll(POLL_MS):
                return os.read(self._fd, READ_BYTES)
        return b""
