"""Samples out of a stream of bytes: raw PCM of a declared format, or one WAV or several joined ones."""

import time
from collections.abc import Callable, Iterator
from typing import Literal

from listener.errors import SourceError
from listener.pipeline.values import Pcm
from listener.sources import wav
from listener.sources.containers import decoding_remedy, recognised, undecided_bytes
from listener.sources.pcm import Format, Samples

StreamFormat = Literal["auto", "wav"] | Format

FORMATS = "auto (WAV, else s16le), wav, u8, s16le, s16be, s24le, s24in32le, s32le, f32le or f64le"
FIRST_BYTES = 12  # of a WAV, to recognise it
DRIFT = 1e-3  # a stream that is faster than the clock by no more is live, from a sample clock that runs fast


class StreamDecoder:
    """Decodes a stream that comes in pieces of any length.

    Args:
        declared: The format that the user declared.
        rate: Hz, of raw samples; a WAV declares its own.
        channels: Of raw samples, likewise.
        encoded_source: The input in the ffmpeg command of the remedy for encoded audio.
    """

    def __init__(self, declared: StreamFormat, rate: int, channels: int, encoded_source: str = "-") -> None:
        self._declared, self._channels = declared, channels
        self.rate = rate
        self._encoded_source = encoded_source
        self._buffer = b""
        self._step: Callable[[bool], Pcm | None] = self._begin
        self._samples: Samples | None = None
        self._left: int | None = None  # bytes of audio to come; None: until the end
        self._header: wav.Header | None = None

    @property
    def missing_s(self) -> float:
        """How much audio the header of a WAV promised that did not come, in seconds."""
        header = self._header
        return (self._left or 0) / (header.frame_bytes * header.rate) if header else 0.0

    def __call__(self, received: bytes) -> Iterator[Pcm]:
        """Yield the samples that can be decoded now, at `rate`.

        Raises:
            SourceError: The stream is encoded, or not of the declared format.
        """
        yield from self._steps(received, is_last=False)

    def end(self) -> Iterator[Pcm]:
        """Yield what is left when the stream has ended.

        Raises:
            SourceError: It ended within a header.
        """
        yield from self._steps(b"", is_last=True)

    def _steps(self, received: bytes, *, is_last: bool) -> Iterator[Pcm]:
        self._buffer += received
        while self._buffer and (pcm := self._step(is_last)) is not None:
            if len(pcm):
                yield pcm

    def _begin(self, is_last: bool) -> Pcm | None:
        """Find out what the stream is."""
        wanted = max(FIRST_BYTES, undecided_bytes(self._buffer))
        if len(self._buffer) < wanted and not is_last:
            return None
        if self._declared == "wav" or (self._declared == "auto" and wav.is_wav(self._buffer)):
            self._step = self._read_header
            return self._read_header(is_last)
        kind = "a WAV" if wav.is_wav(self._buffer) else recognised(self._buffer)
        if kind == "a WAV":
            raise SourceError(
                f"the audio is {kind}, not {self._declared} as declared",
                code="source-encoded",
                remedy="Set format to wav or auto.",
            )
        if kind:
            remedy = decoding_remedy(self._encoded_source)
            raise SourceError(f"the audio is {kind}, not PCM", code="source-encoded", remedy=remedy)
        self._samples = Samples("s16le" if self._declared == "auto" else self._declared, self._channels)
        self._step = self._decode
        return self._decode(is_last)

    def _read_header(self, is_last: bool) -> Pcm | None:
        self._header = wav.header(self._buffer)
        if self._header is None:
            if is_last:
                raise SourceError(
                    "the WAV ended within its header", code="wav-invalid", remedy="Check the program that writes it."
                )
            return None
        self._buffer = self._buffer[self._header.begins :]
        self.rate, self._left = self._header.rate, self._header.audio_bytes
        self._samples = Samples(self._header.format, self._header.channels)
        self._step = self._decode
        return self._decode(is_last)

    def _decode(self, _is_last: bool) -> Pcm:
        assert self._samples
        audio = self._buffer if self._left is None else self._buffer[: self._left]
        self._buffer = self._buffer[len(audio) :]
        if self._left is not None:
            self._left -= len(audio)
            if not self._left:
                self._step = self._after_audio
        return self._samples(audio)

    def _after_audio(self, is_last: bool) -> Pcm | None:
        """Tell further chunks from audio that the size in the header does not count."""
        assert self._header
        assert self._samples
        after_padding = self._buffer[self._header.padding :]
        if len(after_padding) < FIRST_BYTES and not is_last:
            return None
        if wav.is_wav(after_padding) or wav.is_chunk(after_padding):
            self._buffer = after_padding
            self._step = self._after_chunk
            return self._after_chunk(is_last)
        self._left, self._step = None, self._decode
        return self._decode(is_last) if len(self._buffer) > self._header.padding else self._ignore(is_last)

    def _after_chunk(self, is_last: bool) -> Pcm | None:
        """Skip chunks, up to another WAV that was joined to the first."""
        if len(self._buffer) < FIRST_BYTES and not is_last:
            return None
        if wav.is_wav(self._buffer):
            self._step = self._read_header
            return self._read_header(is_last)
        size = wav.CHUNK_BYTES + wav.chunk_bytes(self._buffer) if wav.is_chunk(self._buffer) else 0
        if not size:
            self._step = self._ignore
        elif len(self._buffer) < size and not is_last:
            return None
        self._buffer = self._buffer[size:]
        return self._nothing()

    def _ignore(self, _is_last: bool) -> Pcm:
        self._buffer = b""
        return self._nothing()

    def _nothing(self) -> Pcm:
        assert self._samples
        return self._samples(b"")


class ArrivalClock:
    """Times at which parts of a stream were captured: when they arrive.

    A recording that is sent down a pipe arrives faster than it lasts. Its times are those that it would have if its
    first sample had been captured when the clock was made.
    """

    def __init__(
        self, wall_clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall_clock, self._monotonic = wall_clock, monotonic
        self._began = monotonic()

    def captured_at(self, stream_s: float) -> float:
        """Return the Unix time of the moment of the stream that has just arrived."""
        ahead_s = stream_s - (self._monotonic() - self._began) * (1 + DRIFT)
        return self._wall_clock() + max(0.0, ahead_s)
