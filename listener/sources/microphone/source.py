"""A microphone, opened by a child process."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from listener.base.schema import Meta
from listener.errors import SourceError
from listener.sources import devices
from listener.sources.base import SourceConfig, SourceUnavailable
from listener.sources.microphone.identity import lasting
from listener.sources.microphone.protocol import ALSA_REMEDY, GONE_STATUS, HEADER, MAGIC, argv, environment
from listener.sources.microphone.soundserver import SoundServerMonitor
from listener.sources.pcm import MAX_RATE, MIN_RATE, decoded
from listener.sources.process.source import Chunk, ProcessSource, ProcessSpec

STARTING_S = 15.0  # on a slow board, with many cards and rates to try
SETTLE_S = 0.15  # the first block
STALLED_S = 1.0  # more than five blocks
FOLLOWING = ("default", "pulse", "pipewire", "sysdefault")  # ALSA's names of the sound server's default source


class MicrophoneConfig(SourceConfig, frozen=True):
    """A microphone of this machine."""

    name: Annotated[str, Meta(min_length=1, description="the name in events; each source has its own")] = "microphone"
    device: Annotated[
        str | int,
        Meta(description="'default', or an identity, name, unique part of a name or index from `listener devices`"),
    ] = "default"
    backend: Annotated[
        Literal["sounddevice", "pyaudio"], Meta(description="the library that opens it: sounddevice or pyaudio")
    ] = "sounddevice"
    rate: Annotated[
        int,
        Meta(ge=MIN_RATE, le=MAX_RATE, description="Hz, tried first; other rates of the device are resampled"),
    ] = 16000
    channels: Annotated[int, Meta(ge=0, le=64, description="tried first; 0: as few as the device offers")] = 0
    wait: Annotated[bool, Meta(description="wait for a device that is not there at the start")] = False


class Microphone(ProcessSource):
    """A microphone of this machine, through PortAudio."""

    Config = MicrophoneConfig

    def __init__(self, config: MicrophoneConfig) -> None:
        self._device = [str(config.device)]
        self._backend = config.backend
        self._remember = config.device != "default"
        self._settings = [f"--{flag}={getattr(config, flag)}" for flag in ("backend", "rate", "channels")]
        self._settings.append(f"--min-channels={max(config.channel_numbers, default=0) + 1}")
        super().__init__(
            ProcessSpec(
                argv=lambda: argv(*self._settings, *(f"--device={device}" for device in self._device)),
                environment=environment(),
                decoder=lambda pid: _Packets(SoundServerMonitor(pid), self._opened),
                starting_s=STARTING_S,
                stalled_s=STALLED_S,
                settle_s=SETTLE_S,
                ended=_ended,
            ),
            config,
            wait=config.wait,
        )

    def problems(self) -> Iterator[SourceError]:
        """Look for the device, unless it is the default or is waited for."""
        if self._device == ["default"] or self._wait:
            return
        try:
            devices.find(self._device[0], self._backend)
        except SourceError as err:
            yield err

    def _opened(self, identities: list[str]) -> None:
        """Look for this microphone from now on: its index or name may be those of another one when it returns."""
        if self._remember:
            self._device, self._remember = identities, False


@dataclass(frozen=True, slots=True)
class _Opened:
    """The device that a capture process has opened."""

    device: str
    rate: int
    channels: int
    identities: list[str]

    def described(self) -> str:
        return f"{self.device}, {self.rate} Hz, {self.channels} channel{'' if self.channels == 1 else 's'}"


class _Packets:
    """Chunks out of the packets of a capture process."""

    def __init__(self, sound_server: SoundServerMonitor, opened: Callable[[list[str]], None]) -> None:
        self._received = bytearray()
        self._opened: _Opened | None = None
        self._tell = opened
        self._sound_server = sound_server

    def described(self) -> str:
        """Describe the device, and what the sound server has done with its default since."""
        assert self._opened
        if not self._follows:
            return self._opened.described()
        moved, offered = self._sound_server.moved, self._sound_server.offered
        news = f"; the sound server moved it to {moved}" if moved else ""
        news = news or (f"; the sound server's default is {offered} now" if offered else "")
        return self._opened.described() + news

    def stale(self, *, doubted: bool) -> str:
        """Restart for a moved microphone, which is another one, and for a new default if that may help."""
        if not self._follows:
            moved = self._sound_server.moved
            return f"the sound server moved it to {moved}" if moved else ""
        offered = self._sound_server.offered if doubted else ""
        return f"the sound server's default is {offered} now" if offered else ""

    @property
    def _follows(self) -> bool:
        """Whether the source follows the sound server's default."""
        return self._opened is not None and self._opened.device in FOLLOWING

    def close(self) -> None:
        """Stop following the sound server."""
        self._sound_server.close()

    def __call__(self, received: bytes) -> Iterator[Chunk]:
        self._received += received
        if self._opened is None:
            line, newline, rest = self._received.partition(b"\n")
            if not newline:
                return
            self._opened, self._received = _opening(bytes(line)), rest
            self._tell(self._opened.identities)
            if lasting(self._opened.device) == self._opened.device:  # the sound server's
                self._sound_server.open()
        while chunk := self._next():
            yield chunk

    def _next(self) -> Chunk | None:
        assert self._opened
        if len(self._received) < HEADER.size:
            return None
        magic, samples, index, captured_at = HEADER.unpack_from(self._received)
        if magic != MAGIC:
            raise SourceUnavailable("the capture process wrote no packet", code="capture-protocol")
        channels = self._opened.channels
        end = HEADER.size + 2 * samples * channels
        if len(self._received) < end:
            return None
        audio = bytes(self._received[HEADER.size : end])
        del self._received[:end]
        return Chunk(index, self._opened.rate, decoded(audio, "s16le", channels), captured_at)


def _opening(line: bytes) -> _Opened:
    """Return what was opened, or raise the error of the capture process."""
    try:
        facts = json.loads(line)
    except ValueError as err:
        raise SourceUnavailable(f"the capture process wrote {line[:80]!r}", code="capture-protocol") from err
    if "error" in facts:
        kind = SourceError if facts["lasting"] else SourceUnavailable
        raise kind(facts["error"], code=facts["code"], remedy=facts["remedy"])
    return _Opened(**facts)


def _ended(status: int | None, complaint: str) -> SourceUnavailable:
    if status == GONE_STATUS:
        return SourceUnavailable("the device has gone", code="source-device-gone")
    if status == -signal.SIGABRT:
        message = "PortAudio aborted: the configuration of ALSA is empty or broken"
        return SourceUnavailable(message, code="portaudio-aborted", remedy=ALSA_REMEDY)
    message = f"the capture process ended with status {status}{complaint and ': ' + complaint}"
    return SourceUnavailable(message, code="capture-ended")
