"""WAV headers, read from a stream in which nothing can be looked up further on."""

import struct
from dataclasses import dataclass

from listener.errors import SourceError
from listener.sources.pcm import MAX_RATE, MIN_RATE, SAMPLE_BYTES, Format

RIFF_IDS = (b"RIFF", b"RF64", b"BW64")
ENDLESS_BYTES = 0x7FFFF000  # programs that stream write 0, or a size of this or more, for "until the end"
MAX_HEADER_BYTES = 1 << 20
CHUNK_BYTES = 8  # of a chunk's own header
MAX_CHUNK_BYTES = 1 << 24  # of a chunk after the audio, such as a list of titles or a picture
PCM_TAG, FLOAT_TAG, EXTENSIBLE_TAG = 1, 3, 0xFFFE
FORMATS: dict[tuple[int, int], Format] = {  # (format tag, bytes of a sample)
    (PCM_TAG, 1): "u8",
    (PCM_TAG, 2): "s16le",
    (PCM_TAG, 3): "s24le",
    (PCM_TAG, 4): "s32le",
    (FLOAT_TAG, 4): "f32le",
    (FLOAT_TAG, 8): "f64le",
}


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a WAV file.

    Attributes:
        format: How samples are stored.
        rate: Hz.
        channels: Samples of one moment.
        begins: The first byte of audio.
        audio_bytes: How much audio the header declares, in whole samples; None if it does not.
        padding: Bytes between the audio and the next chunk.
    """

    format: Format
    rate: int
    channels: int
    begins: int
    audio_bytes: int | None
    padding: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return SAMPLE_BYTES[self.format] * self.channels


def is_wav(first: bytes) -> bool:
    """Tell whether a file that begins with these bytes is a WAV."""
    return first[:4] in RIFF_IDS and first[8:12] == b"WAVE"


def header(received: bytes) -> Header | None:
    """Read a header.

    Returns:
        The header, or None if more bytes are needed.

    Raises:
        SourceError: This is not a WAV, or not one that can be read.
    """
    if not any(each.startswith(received[:4]) for each in RIFF_IDS) or not b"WAVE".startswith(received[8:12]):
        raise SourceError(
            "the audio does not begin as a WAV", code="wav-invalid", remedy="Declare the format of raw samples."
        )
    if len(received) < 12:
        return None
    at, declared, large_size = 12, None, 0
    while len(received) >= at + 8:
        name, size = struct.unpack_from("<4sI", received, at)
        if name == b"data":
            return _whole(declared, at + 8, large_size or size)
        if len(received) < at + 8 + size:
            break
        if name == b"fmt ":
            declared = _declared(received[at + 8 : at + 8 + size])
        elif name == b"ds64" and size >= 16:  # EBU Tech 3306: the sizes of a file of more than 4 GiB
            large_size = struct.unpack_from("<Q", received, at + 16)[0]
        at += 8 + size + size % 2
    if max(at, len(received)) > MAX_HEADER_BYTES:
        raise SourceError("the WAV header does not end", code="wav-invalid", remedy="Convert the recording to FLAC.")
    return None


def is_chunk(received: bytes) -> bool:
    """Tell whether a chunk begins here, rather than more audio."""
    if len(received) < CHUNK_BYTES:
        return False
    return all(0x20 <= byte < 0x7F for byte in received[:4]) and chunk_bytes(received) < MAX_CHUNK_BYTES


def chunk_bytes(received: bytes) -> int:
    """Return the size of the chunk that begins here, with its padding but without its header."""
    size: int = struct.unpack_from("<I", received, 4)[0]
    return size + size % 2


def _whole(declared: tuple[Format, int, int] | None, begins: int, size: int) -> Header:
    if declared is None:
        raise SourceError("the WAV header has no format", code="wav-invalid", remedy="Convert the recording to FLAC.")
    sample_format, rate, channels = declared
    whole = size - size % (SAMPLE_BYTES[sample_format] * channels)
    is_known = whole > 0 and (size < ENDLESS_BYTES or 0xFFFFFFFF < size < 1 << 48)
    return Header(sample_format, rate, channels, begins, whole if is_known else None, size - whole + size % 2)


def _declared(chunk: bytes) -> tuple[Format, int, int]:
    """Return format, rate and channels of a `fmt ` chunk."""
    if len(chunk) < 16:
        raise SourceError("the WAV header is too short", code="wav-invalid", remedy="Convert the recording to FLAC.")
    tag, channels, rate, _, block_align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE_TAG and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if not channels or not MIN_RATE <= rate <= MAX_RATE:
        message = f"the WAV header declares {channels} channels at {rate} Hz"
        raise SourceError(message, code="wav-invalid", remedy="Convert the recording to FLAC.")
    size = block_align // channels if block_align else (bits + 7) // 8  # a sample may be stored in more bytes
    if (tag, size) not in FORMATS or not 0 < bits <= 8 * size or (tag == FLOAT_TAG and bits != 8 * size):
        message = f"the WAV holds samples of kind {tag} with {bits} bits"
        raise SourceError(message, code="wav-encoding", remedy="Convert it to 16-bit PCM.")
    if tag == PCM_TAG and size == 4 and bits <= 24:
        return "s24in32le", rate, channels
    return FORMATS[tag, size], rate, channels
