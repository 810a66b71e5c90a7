"""Sounds for the measurements: room noise, noise bursts, and real recordings if they are present."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from bench.rows import SkippedError
from listener.pipeline.values import Floats

ROOM_DBFS = -60.0
ACTIVE_DB = 35.0  # as in the scene maker: the active part is within this of the loudest 20 ms
PAD_S = 0.05
FADE_S = 0.01


@dataclass(frozen=True, slots=True)
class Recording:
    """A real recording."""

    path: Path
    label: str


def room_noise(seconds: float, rate: int = 16_000, dbfs: float = ROOM_DBFS) -> Floats:
    """Return pink noise of a level, float32 (n,)."""
    rng = np.random.default_rng(1)
    count = round(seconds * rate)
    spectrum = rng.standard_normal(count // 2 + 1) + 1j * rng.standard_normal(count // 2 + 1)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, count)
    scaled: Floats = (noise * 10 ** (dbfs / 20) / np.sqrt(np.square(noise).mean())).astype(np.float32)
    return scaled


def bursts(seconds: float, rate: int = 16_000) -> Floats:
    """Return room noise with a loud second in every three."""
    loud = room_noise(seconds, rate, dbfs=-20.0)
    on = (np.arange(len(loud)) / rate) % 3 < 1
    return np.where(on, loud, room_noise(seconds, rate))


def write(path: Path, samples: Floats, rate: int = 16_000) -> Path:
    """Write samples as a 16-bit WAV file. Returns its path."""
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def recordings(shared: Path, label: str, fold: str) -> list[Recording]:
    """Return the real recordings of a label in a fold. Raises SkippedError if there are none."""
    metadata = metadata_file(shared)
    with metadata.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (row["label"], row["fold"]) == (label, fold)]
    return [Recording(metadata.parent / row["path"], label) for row in rows]


def metadata_file(shared: Path) -> Path:
    """Return the path of the recordings' listing. Raises SkippedError if it is missing."""
    metadata = shared / "data" / "metadata.csv"
    if not metadata.exists():
        raise SkippedError(f"no real recordings in {shared}/data; --shared says where they are")
    return metadata


def active_part(path: Path, rate: int, longest_s: float) -> tuple[Floats, float]:
    """Return a recording from shortly before its sound, mono, and the onset in seconds."""
    samples, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), own_rate, rate)
    hop = rate // 50
    power = np.square(mono[: len(mono) // hop * hop].reshape(-1, hop)).mean(axis=1) + 1e-12
    first = hop * int(np.flatnonzero(power > power.max() * 10 ** (-ACTIVE_DB / 10))[0])
    start = max(0, first - round(PAD_S * rate))
    part = mono[start : start + round(longest_s * rate)].copy()
    fade = min(round(FADE_S * rate), len(part) // 4)
    part[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return part, (first - start) / rate
