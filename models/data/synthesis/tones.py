"""What synthesised sounds are built of: tones, struck metal, envelopes, and a tape to lay them on.

Everything is float32, in -1..1, at `rate` Hz, and aliases nothing: partials over 0.47 of the rate are left out.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from listener.pipeline.values import Floats

T = TypeVar("T")

Partials = Sequence[tuple[float, float]]  # (frequency over the fundamental's, amplitude)
Placed = tuple[float, Floats]  # (start in seconds, waveform)

HIGHEST = 0.47  # of the rate


def pick(rng: np.random.Generator, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the choices, by weights that need not sum to one."""
    share = None if weights is None else np.asarray(weights) / np.sum(weights)
    return choices[int(rng.choice(len(choices), p=share))]


def sine_partials() -> Partials:
    """A pure tone."""
    return [(1.0, 1.0)]


def square_partials(duty: float = 0.5, count: int = 15) -> Partials:
    """Harmonics of a pulse wave: a duty of 0.5 is a square, with odd ones only."""
    numbers = np.arange(1, count + 1)
    amplitudes = np.sin(np.pi * numbers * duty) / numbers
    return [(float(n), float(a)) for n, a in zip(numbers, amplitudes, strict=True) if abs(a) > 1e-3]


def sawtooth_partials(slope: float = 1.0, count: int = 30) -> Partials:
    """All harmonics, falling as n to the minus slope."""
    return [(float(n), float(n) ** -slope) for n in range(1, count + 1)]


def tone(frequency_hz: float | Floats, duration_s: float, partials: Partials, rate: int) -> Floats:
    """A steady tone, or one that follows an array of frequencies, a value a sample. Peak 1."""
    count = max(1, round(duration_s * rate))
    frequency = np.broadcast_to(np.asarray(frequency_hz, dtype=np.float64), (count,))
    phase = 2 * np.pi * np.cumsum(frequency) / rate
    highest_hz = float(frequency.max())
    wave = np.zeros(count)
    for ratio, amplitude in partials:
        if ratio * highest_hz < HIGHEST * rate:
            wave += amplitude * np.sin(ratio * phase)
    return _to_peak(wave)


def struck(partials: Iterable[tuple[float, float, float]], duration_s: float, rate: int) -> Floats:
    """A struck bar, bell or gong: partials of (frequency in Hz, amplitude, seconds to fall by 60 dB). Peak 1."""
    time_s = np.arange(max(1, round(duration_s * rate))) / rate
    wave = np.zeros(len(time_s))
    for frequency_hz, amplitude, rt60_s in partials:
        if frequency_hz < HIGHEST * rate:
            wave += amplitude * np.exp(-6.908 * time_s / rt60_s) * np.sin(2 * np.pi * frequency_hz * time_s)
    return _to_peak(wave * np.minimum(1.0, time_s / 0.001))


def shaped(wave: Floats, attack_s: float, release_s: float, rate: int) -> Floats:
    """The wave faded in and out, so that it does not click."""
    attack, release = (min(len(wave), max(1, round(s * rate))) for s in (attack_s, release_s))
    envelope = np.ones(len(wave), dtype=np.float32)
    envelope[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    envelope[len(wave) - release :] *= np.linspace(1, 0, release, dtype=np.float32)
    return wave * envelope


def glide(start: float, end: float, settle_s: float, duration_s: float, rate: int) -> Floats:
    """A value that falls from start to end exponentially, a sample at a time."""
    time_s = np.arange(max(1, round(duration_s * rate))) / rate
    path: Floats = (end + (start - end) * np.exp(-time_s / settle_s)).astype(np.float32)
    return path


def tape(duration_s: float, placed: Iterable[Placed], rate: int) -> Floats:
    """Waveforms added at their times; what lies before the start or after the end is cut off."""
    out = np.zeros(round(duration_s * rate), dtype=np.float32)
    for start_s, wave in placed:
        start = round(start_s * rate)
        first, last = max(0, start), min(len(out), start + len(wave))
        if last > first:
            out[first:last] += wave[first - start : last - start]
    return out


def saturated(wave: Floats, drive: float) -> Floats:
    """The wave through a soft limiter, as small horns and loudspeakers do. Peak at most 1."""
    limited: Floats = (np.tanh(drive * wave) / np.tanh(drive)).astype(np.float32)
    return limited


def _to_peak(wave: np.ndarray) -> Floats:
    return (wave / max(float(np.abs(wave).max()), 1e-9)).astype(np.float32)
