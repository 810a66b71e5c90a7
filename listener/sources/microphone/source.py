"""A microphone, opened by a capture process of its own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from listener.base.schema import Meta
from listener.errors import SourceError
from listener.sources.base import SourceConfig, SourceUnavailable
from listener.sources.microphone.identity import lasting
from listener.sources.microphone.protocol import GONE_STATUS, HEADER, MAGIC, argv, environment
from listener.sources.microphone.soundserver import Switchboard
from listener.sources.pcm import MAX_RATE, MIN_RATE, decoded
from listener.sources.process.source import Chunk, ProcessSource, ProcessSpec

STARTING_S = 15.0  # a slow board with many cards and rates to try
SETTLE_S = 0.15  # the first block
STALLED_S = 1.0  # more than five blocks
FOLLOWING = ("default", "pulse", "pipewire", "sysdefault")  # what ALSA calls the sound server's default source


class MicrophoneConfig(SourceConfig, frozen=True):
    """A microphone of this machine."""

    name: Annotated[str, Meta(min_length=1, description="what events call it; each source has its own")] = "microphone"
    device: Annotated[
        str | int,
        Meta(description="'default'; or identity, name, unique part of the name, or index, as `listener devices` says"),
    ] = "default"
    backend: Annotated[
        Literal["sounddevice", "pyaudio"], Meta(description="the library that opens it: sounddevice or pyaudio")
    ] = "sounddevice"
    rate: Annotated[
        int,
        Meta(ge=MIN_RATE, le=MAX_RATE, description="Hz, asked for first; else one that the device offers is resampled"),
    ] = 16000
    channels: Annotated[
        int, Meta(ge=0, le=64, description="asked for first, and mixed to one; 0: as few as it gives")
    ] = 0
    wait: Annotated[bool, Meta(description="wait for the device instead of ending when it is not there at first")] = (
        False
    )


class Microphone(ProcessSource):
    """A microphone of this machine, through PortAudio."""

    Config = MicrophoneConfig

    def __init__(self, config: MicrophoneConfig) -> None:
        self._device = [str(config.device)]
        self._remember = config.device != "default"
        self._settings = [f"--{flag}={getattr(config, flag)}" for flag in ("backend", "rate", "channels")]
        self._settings.append(f"--min-channels={max(config.channel_numbers, default=0) + 1}")
        super().__init__(
            ProcessSpec(
                argv=lambda: argv(*self._settings, *(f"--device={device}" for device in self._device)),
                environment=environment(),
                decoder=lambda pid: _Packets(Switchboard(pid), self._opened),
                starting_s=STARTING_S,
                stalled_s=STALLED_S,
                settle_s=SETTLE_S,
                ended=_meaning,
            ),
            config,
            wait=config.wait,
        )

    def _opened(self, identities: list[str]) -> None:
        """Look for this very microphone from now on: its index or name may be another one's when it comes back."""
        if self._remember:
            self._device, self._remember = identities, False


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a capture process says that it has opened."""

    device: str
    rate: int
    channels: int
    identities: list[str]

    def described(self) -> str:
        return f"{self.device}, {self.rate} Hz, {self.channels} channel{'' if self.channels == 1 else 's'}"


class _Packets:
    """Chunks out of what a capture process writes."""

    def __init__(self, switchboard: Switchboard, opened: Callable[[list[str]], None]) -> None:
        self._received = bytearray()
        self._opened: _Opened | None = None
        self._tell = opened
        self._switchboard = switchboard

    def described(self) -> str:
        """The device; and what the sound server has made of its default since."""
        assert self._opened
        if not self._follows:
            return self._opened.described()
        moved, offered = self._switchboard.moved, self._switchboard.offered
        news = f"; the sound server moved it to {moved}" if moved else ""
        news = news or (f"; the sound server's default is {offered} now" if offered else "")
        return self._opened.described() + news

    def stale(self, *, doubted: bool) -> str:
        """A moved microphone is another one. The default is followed, and opened anew only where that may mend it."""
        if not self._follows:
            moved = self._switchboard.moved
            return f"the sound server moved it to {moved}" if moved else ""
        offered = self._switchboard.offered if doubted else ""
        return f"the sound server's default is {offered} now" if offered else ""

    @property
    def _follows(self) -> bool:
        """Whether it is to be what the sound server's default is."""
        return self._opened is not None and self._opened.device in FOLLOWING

    def close(self) -> None:
        """Ask no more."""
        self._switchboard.close()

    def __call__(self, received: bytes) -> Iterator[Chunk]:
        self._received += received
        if self._opened is None:
            line, newline, rest = self._received.partition(b"\n")
            if not newline:
                return
            self._opened, self._received = _opening(bytes(line)), rest
            self._tell(self._opened.identities)
            if lasting(self._opened.device) == self._opened.device:  # no card's own
                self._switchboard.open()
        while chunk := self._next():
            yield chunk

    def _next(self) -> Chunk | None:
        assert self._opened
        if len(self._received) < HEADER.size:
            return None
        magic, samples, index, captured_at = HEADER.unpack_from(self._received)
        if magic != MAGIC:
            raise SourceUnavailable("the capture process wrote what is no audio")
        channels = self._opened.channels
        end = HEADER.size + 2 * samples * channels
        if len(self._received) < end:
            return None
        audio = bytes(self._received[HEADER.size : end])
        del self._received[:end]
        return Chunk(index, self._opened.rate, decoded(audio, "s16le", channels), captured_at)


def _opening(line: bytes) -> _Opened:
    """What was opened. The capture process's error is raised as ours."""
    try:
        facts = json.loads(line)
    except ValueError as err:
        raise SourceUnavailable(f"the capture process wrote {line[:80]!r}") from err
    if "error" in facts:
        raise SourceError(facts["error"]) if facts["lasting"] else SourceUnavailable(facts["error"])
    return _Opened(**facts)


def _meaning(status: int | None, complaint: str) -> str:
    if status == GONE_STATUS:
        return "the device went away"
    return f"the capture process ended with status {status}{complaint and ': ' + complaint}"
