"""Bytes and floats become int16 samples."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from listener.errors import SourceError
from listener.pipeline.values import FULL_SCALE, Pcm

Format = Literal["u8", "s16le", "s16be", "s24le", "s24in32le", "s32le", "f32le", "f64le"]

MIN_RATE, MAX_RATE = 1000, 768000  # Hz; a header that declares less or more is damaged
SAMPLE_BYTES: dict[Format, int] = {
    "u8": 1,
    "s16le": 2,
    "s16be": 2,
    "s24le": 3,
    "s24in32le": 4,
    "s32le": 4,
    "f32le": 4,
    "f64le": 8,
}


def decoded(audio: bytes | bytearray | memoryview, sample_format: Format, channels: int) -> Pcm:
    """Decode whole samples of interleaved audio.

    Returns:
        int16 (samples, channels).
    """
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
        case "s24in32le":
            words = np.frombuffer(audio, "<i4")
            flat = ((words << 8 if _is_right_justified(words) else words) >> 16).astype(np.int16)
        case "s32le":
            flat = (np.frombuffer(audio, "<i4") >> 16).astype(np.int16)
        case _:
            flat = from_floats(np.frombuffer(audio, "<f4" if sample_format == "f32le" else "<f8"))
    return flat.reshape(-1, channels)


def from_floats(samples: NDArray[np.floating]) -> Pcm:
    """Convert samples of -1..1 to int16. Larger values are clipped, and NaN becomes silence."""
    finite = np.clip(np.nan_to_num(samples, nan=0.0), -1, 1)
    pcm: Pcm = np.minimum(np.rint(finite * FULL_SCALE), FULL_SCALE - 1).astype(np.int16)
    return pcm


def selected(pcm: Pcm, channels: Sequence[int]) -> Pcm:
    """Return some channels of audio, or all if none are named.

    Raises:
        SourceError: The audio has fewer channels (`source-channel`).
    """
    if not channels:
        return pcm
    if max(channels) >= pcm.shape[1]:
        raise SourceError(
            f"there is no channel {max(channels)}: the audio has {pcm.shape[1]}, counted from 0",
            code="source-channel",
            remedy="Correct the source's channel.",
        )
    chosen: Pcm = pcm[:, list(channels)]
    return chosen


def amplified(pcm: Pcm, gain_db: float) -> Pcm:
    """Make audio louder or quieter, clipped at full scale."""
    if not gain_db:
        return pcm
    louder = np.rint(pcm * np.float32(10 ** (gain_db / 20)))
    clipped: Pcm = np.clip(louder, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return clipped


def full_scale(gain_db: float) -> int:
    """Return the largest sample that audio can have after `amplified`."""
    return min(FULL_SCALE - 1, round((FULL_SCALE - 1) * 10 ** (gain_db / 20)))


class Samples:
    """Cuts bytes that come in pieces of any length into whole samples.

    Args:
        sample_format: How a sample is stored.
        channels: Samples of one moment, interleaved.
    """

    def __init__(self, sample_format: Format, channels: int) -> None:
        self._format, self._channels = sample_format, channels
        self._size = SAMPLE_BYTES[sample_format] * channels
        self._rest = b""

    def __call__(self, received: bytes) -> Pcm:
        """Return the samples that are complete now, int16 (samples, channels)."""
        joined = self._rest + received
        whole = len(joined) // self._size * self._size
        self._rest = joined[whole:]
        return decoded(joined[:whole], self._format, self._channels)


def _is_right_justified(words: NDArray[np.int32]) -> bool:
    """Tell 24 bits in the low bytes of 32 (ALSA's S24_LE) from 24 bits in the high bytes (Microsoft's format)."""
    return bool((words & 0xFF).any()) and bool((np.abs(words.astype(np.int64)) <= 1 << 23).all())
