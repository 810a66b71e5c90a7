"""Any program that writes audio to its standard output: arecord, parec, ffmpeg."""

from collections.abc import Iterator
from typing import Annotated

from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import ConfigError
from listener.sources.base import SourceConfig, SourceUnavailable
from listener.sources.pcm import MAX_RATE, MIN_RATE
from listener.sources.process.source import Chunk, ProcessSource, ProcessSpec
from listener.sources.stream import FORMATS, ArrivalClock, StreamDecoder, StreamFormat

STARTING_S = 15.0  # a network stream may take long to begin


class CommandConfig(SourceConfig, frozen=True):
    """A program that writes raw PCM or a WAV to its standard output."""

    name: Annotated[str, Meta(min_length=1, description="the name in events; each source has its own")] = "command"
    command: Annotated[
        list[str], Meta(description='the program and its arguments, as ["arecord", "-t", "raw", "-f", "S16_LE"]')
    ] = []  # noqa: RUF012 - msgspec copies it for each struct
    format: Annotated[StreamFormat, Meta(description=FORMATS)] = "auto"
    rate: Annotated[int, Meta(ge=MIN_RATE, le=MAX_RATE, description="Hz, of raw samples; a WAV states its own")] = 16000
    channels: Annotated[int, Meta(ge=1, le=64, description="of raw samples; a WAV states its own")] = 1
    live: Annotated[
        bool, Meta(description="true: restart the program when it ends; false: it plays a recording once, at any speed")
    ] = True
    stalled_s: Annotated[float, Meta(ge=0.5, le=600, description="restart it after this much silence")] = 5.0
    wait: Annotated[bool, Meta(description="also restart it if it gives no audio at first")] = False


class CommandSource(ProcessSource):
    """A program that writes raw PCM or a WAV to its standard output, restarted when it ends."""

    Config = CommandConfig

    def __init__(self, config: CommandConfig) -> None:
        if not config.command:
            remedy = "Write the program and its arguments."
            raise ConfigError("command is empty", code="source-command-missing", remedy=remedy)
        self._program = config.command[0]
        self.requirements = Requirements(program=self._program)
        self.live = config.live
        spec = ProcessSpec(
            argv=lambda: config.command,
            environment=None,
            decoder=lambda _pid: _Stream(config),
            starting_s=max(STARTING_S, config.stalled_s),
            stalled_s=config.stalled_s,
            ended=self._error,
        )
        super().__init__(spec, config, wait=config.wait)

    def _error(self, status: int | None, complaint: str) -> SourceUnavailable:
        message = f"{self._program} ended with status {status}{complaint and ': ' + complaint}"
        return SourceUnavailable(message, code="source-ended")


class _Stream:
    """Chunks out of the bytes that the program writes."""

    def __init__(self, config: CommandConfig) -> None:
        self._program = config.command[0]
        self._decoder = StreamDecoder(config.format, config.rate, config.channels, "INPUT")
        self._clock = ArrivalClock()
        self._index = 0

    def described(self) -> str:
        return f"{self._program}, {self._decoder.rate} Hz"

    def stale(self, *, doubted: bool) -> str:  # noqa: ARG002
        """Never: a restart does not change what the program records."""
        return ""

    def close(self) -> None:
        """Do nothing: nothing was opened."""

    def __call__(self, received: bytes) -> Iterator[Chunk]:
        for pcm in self._decoder(received):
            start, self._index = self._index, self._index + len(pcm)
            yield Chunk(start, self._decoder.rate, pcm, self._clock.captured_at(self._index / self._decoder.rate))
