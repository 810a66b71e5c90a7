"""A microphone, opened by a capture process of its own."""

import json
from collections.abc import Iterator
from typing import Annotated, Literal

from listener.errors import SourceError
from listener.schema import Meta, Section
from listener.sources.pcm import decoded
from listener.sources.program import Chunk, Program, Recipe, Unavailable
from listener.sources.protocol import GONE_STATUS, HEADER, MAGIC, argv, environment

STARTING_S = 15.0  # a slow board with many cards and rates to try
STALLED_S = 1.0  # more than five blocks


class MicrophoneConfig(Section, frozen=True):
    """A microphone of this machine."""

    name: Annotated[str, Meta(min_length=1, description="what events call it; each source has its own")] = "microphone"
    device: Annotated[
        str | int, Meta(description="index, name or unique part of the name as `listener devices` says, or 'default'")
    ] = "default"
    backend: Annotated[
        Literal["sounddevice", "pyaudio"], Meta(description="the library that opens it: sounddevice or pyaudio")
    ] = "sounddevice"
    rate: Annotated[
        int, Meta(ge=1000, le=768000, description="Hz, asked for first; else one that the device offers is resampled")
    ] = 16000
    channels: Annotated[
        int, Meta(ge=0, le=64, description="asked for first, and mixed to one; 0: as few as it gives")
    ] = 0
    gain_db: Annotated[float, Meta(ge=-60, le=60, description="makes it louder or quieter")] = 0.0
    wait: Annotated[bool, Meta(description="wait for the device instead of ending when it is not there at first")] = (
        False
    )


class Microphone(Program):
    """A microphone of this machine, through PortAudio."""

    Config = MicrophoneConfig

    def __init__(self, config: MicrophoneConfig) -> None:
        flags = ("backend", "device", "rate", "channels")
        settings = [f"--{flag}={getattr(config, flag)}" for flag in flags]
        super().__init__(
            Recipe(
                argv=argv(*settings),
                environment=environment(),
                decoder=_Packets,
                starting_s=STARTING_S,
                stalled_s=STALLED_S,
                ended=_meaning,
            ),
            name=config.name,
            wait=config.wait,
            gain_db=config.gain_db,
        )


class _Packets:
    """Chunks out of what a capture process writes."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._opened: dict[str, str | int] | None = None

    def described(self) -> str:
        assert self._opened
        count = self._opened["channels"]
        return f"{self._opened['device']}, {self._opened['rate']} Hz, {count} channel{'' if count == 1 else 's'}"

    def __call__(self, received: bytes) -> Iterator[Chunk]:
        self._received += received
        if self._opened is None:
            line, newline, rest = self._received.partition(b"\n")
            if not newline:
                return
            self._opened, self._received = _opening(bytes(line)), rest
        while chunk := self._next():
            yield chunk

    def _next(self) -> Chunk | None:
        assert self._opened
        if len(self._received) < HEADER.size:
            return None
        magic, samples, index, captured_at = HEADER.unpack_from(self._received)
        if magic != MAGIC:
            raise Unavailable("the capture process wrote what is no audio")
        channels = int(self._opened["channels"])
        end = HEADER.size + 2 * samples * channels
        if len(self._received) < end:
            return None
        audio = bytes(self._received[HEADER.size : end])
        del self._received[:end]
        return Chunk(index, int(self._opened["rate"]), decoded(audio, "s16le", channels), captured_at)


def _opening(line: bytes) -> dict[str, str | int]:
    """What was opened. The capture process's error is raised as ours."""
    try:
        facts: dict[str, str | int] = json.loads(line)
    except ValueError as err:
        raise Unavailable(f"the capture process wrote {line[:80]!r}") from err
    if "error" in facts:
        raise SourceError(facts["error"]) if facts["lasting"] else Unavailable(facts["error"])
    return facts


def _meaning(status: int | None, complaint: str) -> str:
    if status == GONE_STATUS:
        return "the device went away"
    return f"the capture process ended with status {status}{complaint and ': ' + complaint}"
