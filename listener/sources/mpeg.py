"""Frames of MPEG audio (MP3 and its older layers), found by their headers (ISO 11172-3, 2.4.1.3; ISO 13818-3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap

Bytes = bytes | mmap

HEADER_BYTES = 6  # the four of a frame header, and two more that other codecs need
KBPS = {  # (MPEG version 1, layer) -> kbit/s of the indices 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44100, 48000, 32000)  # Hz, of MPEG 1; half of that in MPEG 2, a quarter in MPEG 2.5
LOST_BYTES = 1 << 16  # without a frame for so long, the rest is not searched byte by byte for one


@dataclass(frozen=True, slots=True)
class Frame:
    """The header of a frame."""

    version: int  # 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5
    layer: int
    rate: int  # Hz
    mono: bool
    size: int  # bytes, header included

    @property
    def samples(self) -> int:
        """Samples per channel."""
        if self.layer == 1:
            return 384
        return 1152 if self.layer == 2 or self.version == 3 else 576

    @property
    def kind(self) -> tuple[int, int, int, bool]:
        """What all frames of one stream have in common."""
        return self.version, self.layer, self.rate, self.mono

    @property
    def info_offset(self) -> int:
        """Where the Xing or Info tag is, if the frame is one (after the side information of layer III)."""
        if self.version == 3:
            return 21 if self.mono else 36
        return 13 if self.mono else 21


@dataclass
class Segment:
    """A run of frames that one encoder wrote.

    Attributes:
        start: The first byte, of the Xing or Info tag if there is one.
        audio: The first byte after the tag.
        rate: Hz.
        declared: Samples per channel by the tag, 0 if it declares none.
        samples: Samples per channel by the frames themselves.
        stop: The byte after the last frame.
    """

    start: int
    audio: int
    rate: int
    declared: int
    samples: int = 0
    stop: int = 0

    @property
    def tagged(self) -> bool:
        """Whether there is a tag that states the right length."""
        return self.declared == self.samples


def frame_bytes(data: bytes) -> int:
    """Return the length of the frame that begins here, or 0 if none does."""
    frame = header(data[:4])
    return frame.size if frame else 0


@lru_cache(1024)  # the frames of a file have few different headers
def header(data: bytes) -> Frame | None:
    """Read the four bytes of a frame header, if they are one."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    bitrate, rate, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    bits, hz = 1000 * KBPS[version == 3, layer][bitrate - 1], RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    if layer == 1:
        size = (12 * bits // hz + padding) * 4
    else:
        size = (144 if layer == 2 or version == 3 else 72) * bits // hz + padding
    return Frame(version, layer, hz, data[3] >> 6 == 3, size)


def segments(data: Bytes) -> Iterator[Segment]:
    """Split a file into the streams of which it was joined.

    Args:
        data: The whole file, for example as an mmap.
    """
    current: Segment | None = None
    kind: object = None
    for at, frame in _frames(data):
        declared = _declared_frames(data, at, frame)
        if current is None or declared is not None or frame.kind != kind:
            if current is not None:
                yield current
            kind, is_tag = frame.kind, declared is not None
            current = Segment(at, at + frame.size if is_tag else at, frame.rate, (declared or 0) * frame.samples)
        if declared is None:
            current.samples += frame.samples
        current.stop = at + frame.size
    if current is not None:
        yield current


def _frames(data: Bytes) -> Iterator[tuple[int, Frame]]:
    """Yield each frame and its offset. What lies between frames, such as ID3 tags, is skipped."""
    at, lost = 0, 1
    while at + 4 <= len(data) and lost < LOST_BYTES:
        frame = header(data[at : at + 4])
        if frame and at + frame.size <= len(data) and (not lost or _follows(data, at + frame.size)):
            yield at, frame
            at, lost = at + frame.size, 0
        elif data[at : at + 3] == b"ID3" and at + 10 <= len(data):
            at, lost = at + 10 + _syncsafe(data[at + 6 : at + 10]), 1
        else:
            found = data.find(b"\xff", at + 1)
            if found < 0:
                return
            lost += found - at
            at = found


def _follows(data: Bytes, at: int) -> bool:
    return at + 4 > len(data) or header(data[at : at + 4]) is not None


def _declared_frames(data: Bytes, at: int, frame: Frame) -> int | None:
    """Return the number of frames that an Xing or Info tag declares, 0 if it does not, None if this is no such tag."""
    place = at + frame.info_offset
    if frame.layer != 3 or data[place : place + 4] not in (b"Xing", b"Info"):
        return None
    return int.from_bytes(data[place + 8 : place + 12], "big") if data[place + 7] & 1 else 0


def _syncsafe(size: bytes) -> int:
    """Return the size of an ID3 tag, of which each byte has seven bits."""
    return size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
