"""Any program that writes PCM to its standard output: arecord, parec, ffmpeg."""

import time
from collections.abc import Iterator
from typing import Annotated

from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import ConfigError
from listener.sources.pcm import LEAST_RATE, MOST_RATE, Format, Samples
from listener.sources.process.source import Chunk, ProcessSource, ProcessSpec

STARTING_S = 15.0  # a network stream may take long to begin


class CommandConfig(Section, frozen=True):
    """A program that writes raw PCM to its standard output."""

    name: Annotated[str, Meta(min_length=1, description="what events call it; each source has its own")] = "command"
    command: Annotated[
        list[str], Meta(description='the program and its arguments, as ["arecord", "-t", "raw", "-f", "S16_LE"]')
    ] = []  # noqa: RUF012 - msgspec gives each struct a list of its own
    format: Annotated[
        Format, Meta(description="of its samples: u8, s16le, s16be, s24le, s32le, f32le or f64le, interleaved")
    ] = "s16le"
    rate: Annotated[int, Meta(ge=LEAST_RATE, le=MOST_RATE, description="Hz, as it writes them")] = 16000
    channels: Annotated[int, Meta(ge=1, le=64, description="as it writes them; mixed to one")] = 1
    gain_db: Annotated[float, Meta(ge=-60, le=60, description="makes it louder or quieter")] = 0.0
    stalled_s: Annotated[float, Meta(ge=0.5, le=600, description="silent for so long, it is started again")] = 5.0
    wait: Annotated[bool, Meta(description="start it again also when it gives no audio at first")] = False


class CommandSource(ProcessSource):
    """A program that writes raw PCM to its standard output, started again when it ends."""

    Config = CommandConfig

    def __init__(self, config: CommandConfig) -> None:
        if not config.command:
            raise ConfigError(
                "command is empty", code="source-command-missing", remedy="Write the program and its arguments."
            )
        self._config = config
        self.requirements = Requirements(program=config.command[0])
        super().__init__(
            ProcessSpec(
                argv=lambda: config.command,
                environment=None,
                decoder=self._decoder,
                starting_s=max(STARTING_S, config.stalled_s),
                stalled_s=config.stalled_s,
                ended=self._meaning,
            ),
            name=config.name,
            wait=config.wait,
            gain_db=config.gain_db,
        )

    def _decoder(self, _pid: int) -> "_Raw":
        return _Raw(self._config)

    def _meaning(self, status: int | None, complaint: str) -> str:
        return f"{self._config.command[0]} ended with status {status}{complaint and ': ' + complaint}"


class _Raw:
    """Chunks out of bytes of a declared format."""

    def __init__(self, config: CommandConfig) -> None:
        self._config = config
        self._samples = Samples(config.format, config.channels)
        self._index = 0

    def described(self) -> str:
        return f"{self._config.command[0]}, {self._config.rate} Hz, {self._config.format}"

    def stale(self, *, doubted: bool) -> str:  # noqa: ARG002
        """Nothing: what it records from is its own affair."""
        return ""

    def close(self) -> None:
        """Nothing was opened."""

    def __call__(self, received: bytes) -> Iterator[Chunk]:
        pcm = self._samples(received)
        if len(pcm):
            yield Chunk(self._index, self._config.rate, pcm, time.time())
            self._index += len(pcm)
