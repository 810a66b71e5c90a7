"""Standard input: `arecord -f S16_LE -r 48000 | listener run --source stdin --rate 48000`."""

import math
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block
from listener.sources.base import BaseSource, Report
from listener.sources.pcm import LEAST_RATE, MOST_RATE, Format, Samples, amplified, full_scale
from listener.sources.wav import header

READ_BYTES = 1 << 16
POLL_MS = 100
DRIFT = 1e-3  # what comes faster than time by no more is captured now, by a clock that runs fast
MARKS: dict[tuple[int, bytes], str] = {  # at this byte
    (0, b"OggS"): "Ogg",
    (0, b"fLaC"): "FLAC",
    (0, b"ID3\x02"): "MP3",
    (0, b"ID3\x03"): "MP3",
    (0, b"ID3\x04"): "MP3",
    (0, b"caff\x00\x01"): "CAF",
    (0, b"\x1aE\xdf\xa3"): "Matroska or WebM",
    (0, b"FORM"): "AIFF",
    (4, b"ftyp"): "MP4",
}
MPEG_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # of layer III, by their index from 1 on
MPEG_2_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG_RATES = (44100, 48000, 32000)


class StdinConfig(Section, frozen=True):
    """Standard input, raw PCM or WAV."""

    name: Annotated[str, Meta(min_length=1, description="what events call it; each source has its own")] = "stdin"
    format: Annotated[
        Literal["auto", "wav"] | Format,
        Meta(description="auto (wav where it begins as one, else s16le), wav, u8, s16le, s16be, s24le, s32le, f32le …"),
    ] = "auto"
    rate: Annotated[int, Meta(ge=LEAST_RATE, le=MOST_RATE, description="Hz of raw audio; a WAV says its own")] = 16000
    channels: Annotated[int, Meta(ge=1, le=64, description="of raw audio; a WAV says its own")] = 1
    gain_db: Annotated[float, Meta(ge=-60, le=60, description="makes it louder or quieter")] = 0.0


@dataclass(frozen=True, slots=True)
class _Begun:
    """How to read the audio, and the first of it. `audio_bytes` is None where it goes on until the end."""

    samples: Samples
    rate: int
    audio: bytes
    audio_bytes: int | None


class Arrival:
    """When what comes was captured: as it comes.

    A recording sent down a pipe comes faster than time: it is as if it had begun when we did.
    """

    def __init__(
        self, wall_clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall_clock, self._monotonic = wall_clock, monotonic
        self._began = monotonic()

    def captured_at(self, stream_s: float) -> float:
        """Unix time of this moment of the stream, which has just come."""
        ahead_s = stream_s - (self._monotonic() - self._began) * (1 + DRIFT)
        return self._wall_clock() + max(0.0, ahead_s)


class Stdin(BaseSource):
    """Standard input until it ends; the writer waits for us, nothing is lost."""

    Config = StdinConfig
    requirements = Requirements(exclusive=("standard input",))
    silence_timeout_s = math.inf  # the writer may pause

    def __init__(self, config: StdinConfig, fd: int = 0) -> None:
        self.name = config.name
        self._config, self._fd = config, fd
        self._closed = threading.Event()

    def close(self) -> None:
        """End `blocks` soon."""
        self._closed.set()

    def blocks(self, report: Report) -> Iterator[Block]:
        """Blocks until the end of input or `close`. SourceError where it is not what was declared."""
        timed = not self._is_file()  # what lies in a file was not captured now
        begun = self._begun()
        if begun is None:
            return
        report(SourceState.LISTENING, f"standard input, {begun.rate} Hz")
        start, arrival = 0, Arrival()
        for audio in self._pieces(begun.audio, begun.audio_bytes):
            pcm = amplified(begun.samples(audio), self._config.gain_db)
            if len(pcm):
                first, start = start, start + len(pcm)
                captured_at = arrival.captured_at(start / begun.rate) if timed else None
                yield Block(first, begun.rate, pcm, captured_at, full_scale(self._config.gain_db))
        if not start and not self._closed.is_set():
            raise SourceError("standard input holds no audio; it ended before there was a whole sample")

    def _is_file(self) -> bool:
        if os.isatty(self._fd):
            raise SourceError("standard input is a terminal; pipe audio into it, as: arecord -f S16_LE -r 16000 | …")
        try:
            return stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError as err:
            raise SourceError("standard input is closed; pipe audio into it, as: arecord -f S16_LE | …") from err

    def _begun(self) -> _Begun | None:
        """How to read what comes, once enough has come to tell. None when closed before."""
        received = self._at_least(12)
        if self._closed.is_set():
            return None
        if not received:
            raise SourceError("standard input ended before there was any audio; does the program before the pipe run?")
        declared = self._config.format
        looks_like_wav = received[:4] in (b"RIFF", b"RF64") and received[8:12] == b"WAVE"
        if declared == "wav" or (declared == "auto" and looks_like_wav):
            return self._wav(received)
        if looks_like_wav:
            raise SourceError(f"standard input is a WAV, not {declared} as declared; set format to wav or auto")
        if (frame_bytes := _mpeg_frame_bytes(received)) > len(received) - 4:
            received += self._at_least(frame_bytes + 4 - len(received))
        if kind := _encoded(received):
            raise SourceError(f"standard input is {kind}, not PCM; decode it first: ffmpeg -i - -f wav - | …")
        samples = Samples("s16le" if declared == "auto" else declared, self._config.channels)
        return _Begun(samples, self._config.rate, received, None)

    def _wav(self, received: bytes) -> _Begun | None:
        try:
            while (found := header(received)) is None and (more := self._read()):
                received += more
        except SourceError as err:
            raise SourceError(f"standard input: {err}") from err
        if found:
            samples = Samples(found.format, found.channels)
            return _Begun(samples, found.rate, received[found.begins :], found.audio_bytes)
        if self._closed.is_set():
            return None
        raise SourceError("standard input: the WAV ended within its header")

    def _pieces(self, received: bytes, audio_bytes: int | None) -> Iterator[bytes]:
        """The audio as it comes, without what a WAV holds after it."""
        left = sys.maxsize if audio_bytes is None else audio_bytes
        while left > 0 and (piece := received or self._read()):
            yield piece[:left]
            left -= len(piece)
            received = b""

    def _at_least(self, wanted: int) -> bytes:
        received = b""
        while len(received) < wanted and (more := self._read()):
            received += more
        return received

    def _read(self) -> bytes:
        """What comes next, b"" at the end or when closed."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self._closed.is_set():
            if poll.poll(POLL_MS):
                return os.read(self._fd, READ_BYTES)
        return b""


def _encoded(received: bytes) -> str:
    """What it is, where it begins as no PCM does; else empty.

    The sync word of MPEG may well be two samples: it counts with another one where the first frame ends.
    """
    for (at, mark), kind in MARKS.items():
        if received.startswith(mark, at):
            return kind
    frame_bytes = _mpeg_frame_bytes(received)
    return "MP3" if frame_bytes and _mpeg_frame_bytes(received[frame_bytes:]) else ""


def _mpeg_frame_bytes(received: bytes) -> int:
    """The length of the frame of MPEG layer III that begins here, by its header; 0 where that is none."""
    if len(received) < 4 or received[0] != 0xFF or received[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = received[1] >> 3 & 3, received[2] >> 4, received[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    is_first, padding = version == 3, received[2] >> 1 & 1
    kbps = (MPEG_KBPS if is_first else MPEG_2_KBPS)[bitrate - 1]
    hz = MPEG_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    return (144 if is_first else 72) * kbps * 1000 // hz + padding
