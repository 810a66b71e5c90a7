"""Bytes and floats become int16 samples."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from listener.pipeline.values import FULL_SCALE, Pcm

Format = Literal["u8", "s16le", "s16be", "s24le", "s32le", "f32le", "f64le"]

LEAST_RATE, MOST_RATE = 1000, 768000  # Hz: what says less or more of itself is no audio
SAMPLE_BYTES: dict[Format, int] = {
    "u8": 1,
    "s16le": 2,
    "s16be": 2,
    "s24le": 3,
    "s32le": 4,
    "f32le": 4,
    "f64le": 8,
}


def decoded(audio: bytes | bytearray | memoryview, sample_format: Format, channels: int) -> Pcm:
    """Whole samples of interleaved audio as int16 (samples, channels)."""
    flat: Pcm
    match sample_format:
        case "u8":
            flat = (np.frombuffer(audio, np.uint8).astype(np.int16) - 128) << 8
        case "s16le":
            flat = np.frombuffer(audio, "<i2").astype(np.int16, copy=False)
        case "s16be":
            flat = np.frombuffer(audio, ">i2").astype(np.int16)
        case "s24le":
            flat = np.frombuffer(audio, np.uint8).reshape(-1, 3)[:, 1:].copy().view("<i2")[:, 0].astype(np.int16)
        case "s32le":
            flat = (np.frombuffer(audio, "<i4") >> 16).astype(np.int16)
        case _:
            flat = from_floats(np.frombuffer(audio, "<f4" if sample_format == "f32le" else "<f8"))
    return flat.reshape(-1, channels)


def from_floats(samples: NDArray[np.floating]) -> Pcm:
    """Samples of -1..1 as int16, what is louder clipped, what is no number silent."""
    finite = np.clip(np.nan_to_num(samples, nan=0.0), -1, 1)
    pcm: Pcm = np.minimum(np.rint(finite * FULL_SCALE), FULL_SCALE - 1).astype(np.int16)
    return pcm


def amplified(pcm: Pcm, gain_db: float) -> Pcm:
    """The same audio louder or quieter, what is too loud clipped."""
    if not gain_db:
        return pcm
    louder = np.rint(pcm * np.float32(10 ** (gain_db / 20)))
    clipped: Pcm = np.clip(louder, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return clipped


def full_scale(gain_db: float) -> int:
    """What the loudest sample can be once it was amplified."""
    return min(FULL_SCALE - 1, round((FULL_SCALE - 1) * 10 ** (gain_db / 20)))


class Samples:
    """Whole samples out of bytes that come in pieces of any length; the odd bytes of one wait for the next."""

    def __init__(self, sample_format: Format, channels: int) -> None:
        self._format, self._channels = sample_format, channels
        self._size = SAMPLE_BYTES[sample_format] * channels
        self._odd = b""

    def __call__(self, received: bytes) -> Pcm:
        joined = self._odd + received
        whole = len(joined) // self._size * self._size
        self._odd = joined[whole:]
        return decoded(joined[:whole], self._format, self._channels)
