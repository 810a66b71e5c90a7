"""Recordings of every format that libsndfile reads, to their end, whatever their headers say about their length."""

import io
import logging
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from listener.errors import SourceError
from listener.pipeline.values import Block, Pcm
from listener.sources import mpeg, wav
from listener.sources.base import Position
from listener.sources.containers import decoding_remedy, recognised
from listener.sources.pcm import MAX_RATE, MIN_RATE, from_floats
from listener.sources.stream import StreamDecoder

log = logging.getLogger(__name__)

BLOCK_S = 1.0
READ_BYTES = 1 << 16
HEADER_BYTES = 1 << 16
FLAC_STREAMS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # the marker and the header of STREAMINFO
FLAC_TOTAL = 21  # where the 36 bits of the number of samples begin, with four bits of something else before them
OGG_HEADER_BYTES = 27
OGG_FIRST_PAGE = 2  # flag
CUT_OFF_S = 0.1  # some programs count the end of a WAV slightly wrong
NEGLIGIBLE_S = 0.5  # headers count the silence that encoders add at both ends, and some count slightly wrong

Piece = tuple[int, Pcm]  # rate in Hz, and samples


def read_blocks(path: Path, block_s: float = BLOCK_S) -> Iterator[Block]:
    """Yield the blocks of a recording.

    Args:
        path: The file.
        block_s: The length of most blocks, in seconds.

    Raises:
        SourceError: It cannot be read, or not to its end: the latter after the blocks that could be read.
    """
    position = Position()
    with _mapped(path) as data:
        for rate, pcm in _pieces(path, data, block_s):
            yield Block(position.advance(len(pcm), rate), rate, pcm)
    if not position.seconds:
        raise _error(path, "holds no audio", "source-empty", "Check the program that recorded it.")


def _pieces(path: Path, data: mmap.mmap, block_s: float) -> Iterator[Piece]:
    """Choose the reader for the kind of file."""
    first = data[:HEADER_BYTES]
    if wav.is_wav(first):
        try:
            is_pcm = wav.header(first) is not None
        except SourceError:  # encoded: libsndfile may read it
            is_pcm = False
        if is_pcm:
            return _wav_pieces(path, data, block_s)
    if first[:4] == b"OggS":
        return _parts(path, [_Part(data, *link) for link in _ogg_links(data)], block_s)
    if any(each in first for each in FLAC_STREAMS):
        return _parts(path, [_FlacPart(data, *link) for link in _flac_links(data)], block_s)
    if first[:3] == b"ID3" or mpeg.frame_bytes(first):
        segments = list(mpeg.segments(data))
        if segments:
            return _mpeg_pieces(path, data, segments, block_s)
    return _parts(path, [_Part(data, 0, len(data))], block_s)


def _wav_pieces(path: Path, data: mmap.mmap, block_s: float) -> Iterator[Piece]:
    decoder = StreamDecoder("wav", 0, 1)
    header = wav.header(data[:HEADER_BYTES])
    assert header
    size = max(1, round(block_s * header.rate)) * header.frame_bytes
    starts = [0, *range(header.begins, len(data), size)]
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        for pcm in decoder(data[start:stop]):
            yield decoder.rate, pcm
    for pcm in decoder.end():
        yield decoder.rate, pcm
    if decoder.missing_s > CUT_OFF_S:
        log.warning("%s: cut off: %.1f s that its header declares are missing", path, decoder.missing_s)


def _mpeg_pieces(path: Path, data: mmap.mmap, segments: list[mpeg.Segment], block_s: float) -> Iterator[Piece]:
    """Decode each stream by a pipe: libsndfile estimates the length of a file from its first frames."""
    for segment in segments:
        start = segment.start if segment.tagged else segment.audio
        with _piped(data, start, segment.stop) as descriptor:
            yield from _decoded(path, descriptor, block_s, segment.samples / segment.rate)


def _parts(path: Path, parts: "list[_Part]", block_s: float) -> Iterator[Piece]:
    for part in parts:
        yield from _decoded(path, part, block_s, part.declared_s)


def _decoded(path: Path, source: object, block_s: float, declared_s: float) -> Iterator[Piece]:
    """Decode one stream with libsndfile. `declared_s` is its length, 0 if unknown."""
    import soundfile  # 20 MB that a daemon with a microphone does not need

    done_s = 0.0
    try:
        with _opened(path, source) as recording:
            rate = recording.samplerate
            while len(samples := recording.read(round(rate * block_s) or 1, dtype="float32", always_2d=True)):
                done_s += len(samples) / rate
                yield rate, from_floats(samples)
    except soundfile.LibsndfileError as err:
        if 0 < declared_s <= done_s + NEGLIGIBLE_S:
            return  # tags after the audio
        reason = err.error_string.rstrip(".")
        raise _unheard(path, done_s, declared_s - done_s, f"cannot be decoded ({reason})") from err
    if declared_s - done_s > max(NEGLIGIBLE_S, 0.01 * declared_s):
        raise _unheard(path, done_s, declared_s - done_s, "is damaged or cut off")


def _opened(path: Path, source: object) -> Any:
    """Open a soundfile.SoundFile that never seeks. soundfile seeks after each read, which some streams do not allow."""
    import soundfile

    class Sequential(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    try:
        recording = Sequential(source)
    except soundfile.LibsndfileError as err:
        kind = recognised(path.open("rb").read(HEADER_BYTES)) or "not audio that can be read"
        remedy = decoding_remedy(str(path), f"{path.stem}.flac")
        message = f"is {kind}" if kind.startswith("not") else f"is {kind}, which cannot be read"
        raise _error(path, f"{message} ({err.error_string.rstrip('.')})", "source-format", remedy) from err
    if not MIN_RATE <= recording.samplerate <= MAX_RATE:
        recording.close()
        raise _error(path, f"declares {recording.samplerate} Hz", "source-rate", "Correct its header.")
    return recording


def _unheard(path: Path, done_s: float, missing_s: float, problem: str) -> SourceError:
    missing = f"{missing_s:.1f} s were not heard" if missing_s > 0 else "the rest was not heard"
    remedy = decoding_remedy(str(path), f"{path.stem}-mended.flac")
    return _error(path, f"{problem} after {done_s:.1f} s: {missing}", "source-damaged", remedy)


def _error(path: Path, problem: str, code: str, remedy: str) -> SourceError:
    return SourceError(f"{path} {problem}", code=code, remedy=remedy)


class _Part(io.RawIOBase):
    """A part of a file, for libsndfile."""

    declared_s = 0.0

    def __init__(self, data: mmap.mmap, start: int, stop: int) -> None:
        super().__init__()
        self._data, self._start, self._size = data, start, stop - start
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._at))
        begin = self._start + self._at
        buffer[:count] = self._data[begin : begin + count]
        self._at += count
        return count


class _FlacPart(_Part):
    """A FLAC stream without the number of samples that its header declares: without it all are decoded."""

    def __init__(self, data: mmap.mmap, start: int, stop: int) -> None:
        super().__init__(data, start, stop)
        packed = int.from_bytes(data[start + FLAC_TOTAL - 3 : start + FLAC_TOTAL + 5], "big")
        rate = packed >> 44
        self.declared_s = (packed & (1 << 36) - 1) / rate if rate else 0.0

    def readinto(self, buffer: Any) -> int:
        at = self._at
        count = super().readinto(buffer)
        for offset in range(FLAC_TOTAL, FLAC_TOTAL + 5):
            if at <= offset < at + count:
                kept = self._data[self._start + offset] & 0xF0 if offset == FLAC_TOTAL else 0
                buffer[offset - at : offset - at + 1] = bytes([kept])
        return count


def _flac_links(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each FLAC stream of a file."""
    starts: list[int] = []
    for marker in FLAC_STREAMS:
        at = data.find(marker)
        while at >= 0:
            starts.append(at)
            at = data.find(marker, at + 1)
    starts.sort()
    yield from zip(starts, [*starts[1:], len(data)], strict=True)


def _ogg_links(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each link of an Ogg file that was chained (RFC 3533, 4)."""
    start, at, was_first = 0, 0, True
    while (at := data.find(b"OggS", at)) >= 0 and at + OGG_HEADER_BYTES <= len(data):
        is_first = bool(data[at + 5] & OGG_FIRST_PAGE)
        if is_first and not was_first:
            yield start, at
            start = at
        was_first = is_first
        segments = data[at + 26]
        at += OGG_HEADER_BYTES + segments + sum(data[at + OGG_HEADER_BYTES : at + OGG_HEADER_BYTES + segments])
    yield start, len(data)


@contextmanager
def _piped(data: mmap.mmap, start: int, stop: int) -> Iterator[int]:
    """Write a part of a file to a pipe; give the end to read from, which the reader closes."""
    reader, writer = os.pipe()
    stopped = threading.Event()

    def write() -> None:
        with suppress(OSError), open(writer, "wb", buffering=0) as pipe:  # noqa: PTH123 - the reader may have ended
            for at in range(start, stop, READ_BYTES):
                if stopped.is_set():
                    return
                pipe.write(data[at : min(at + READ_BYTES, stop)])

    thread = threading.Thread(target=write, name="decode", daemon=True)
    thread.start()
    try:
        yield reader
    finally:
        stopped.set()
        with suppress(OSError):
            os.close(reader)
        thread.join()


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise _error(path, "is empty", "source-empty", "Check the program that recorded it.")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as err:
        raise _error(path, f"cannot be read ({err.strerror})", "file-unreadable", "Correct the path.") from err
    except ValueError as err:
        raise _error(path, "is not a file", "file-unreadable", "Name a regular file.") from err
    try:
        yield data
    finally:
        data.close()
