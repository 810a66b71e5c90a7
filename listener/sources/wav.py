"""The header of a WAV that comes through a pipe, where nothing can be looked up further on."""

import struct
from dataclasses import dataclass

from listener.errors import SourceError
from listener.sources.pcm import LEAST_RATE, MOST_RATE, SAMPLE_BYTES, Format

ENDLESS_BYTES = 0x7FFFF000  # programs that stream write 0, or a size of this or more, for "until the end"
LONGEST_HEADER = 1 << 20
PCM_TAG, FLOAT_TAG, EXTENSIBLE_TAG = 1, 3, 0xFFFE
FORMATS: dict[tuple[int, int], Format] = {
    (PCM_TAG, 8): "u8",
    (PCM_TAG, 16): "s16le",
    (PCM_TAG, 24): "s24le",
    (PCM_TAG, 32): "s32le",
    (FLOAT_TAG, 32): "f32le",
    (FLOAT_TAG, 64): "f64le",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a WAV says of itself. `audio_bytes` is None where it goes on until the end."""

    format: Format
    rate: int
    channels: int
    begins: int  # the first byte of audio
    audio_bytes: int | None


def header(received: bytes) -> Header | None:
    """The header, None where more must be received first. SourceError where this is no WAV that we can read."""
    riff = b"RIFF".startswith(received[:4]) or b"RF64".startswith(received[:4])
    if not riff or not b"WAVE".startswith(received[8:12]):
        raise SourceError("the audio does not begin as a WAV does; is it raw PCM? Then declare its format")
    if len(received) < 12:
        return None
    at, declared = 12, None
    while len(received) >= at + 8:
        name, size = struct.unpack_from("<4sI", received, at)
        if name == b"data":
            return _whole(declared, at + 8, size)
        if len(received) < at + 8 + size:
            break
        if name == b"fmt ":
            declared = _declared(received[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    if max(at, len(received)) > LONGEST_HEADER:
        raise SourceError("the WAV header does not end")
    return None


def _whole(declared: tuple[Format, int, int] | None, begins: int, size: int) -> Header:
    if declared is None:
        raise SourceError("the WAV header does not say what its samples are")
    sample_format, rate, channels = declared
    whole = size - size % (SAMPLE_BYTES[sample_format] * channels)
    return Header(sample_format, rate, channels, begins, whole if 0 < size < ENDLESS_BYTES else None)


def _declared(chunk: bytes) -> tuple[Format, int, int]:
    if len(chunk) < 16:
        raise SourceError("the WAV header is too short")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE_TAG and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if (tag, bits) not in FORMATS:
        raise SourceError(f"the WAV holds samples of kind {tag} with {bits} bits; convert it to 16-bit PCM")
    if not channels or not LEAST_RATE <= rate <= MOST_RATE:
        raise SourceError(f"the WAV header declares {channels} channels at {rate} Hz")
    return FORMATS[tag, bits], rate, channels
