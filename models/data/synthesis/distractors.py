"""Tones that mean nothing: no label answers to them."""

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import tones


def tone(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A steady tone of any pitch, with or without harmonics: a machine's whine, a television's carrier."""
    frequency_hz = float(np.exp(rng.uniform(np.log(80), np.log(7000))))
    partials = tones.pick(rng, (tones.sine_partials(), tones.square_partials(), tones.sawtooth_partials(1.5)))
    length_s = rng.uniform(0.5, duration_s)
    drift = 1 + rng.uniform(0, 0.004) * np.sin(np.arange(round(length_s * rate)) / rate * rng.uniform(0.2, 6))
    wave = tones.tone((frequency_hz * drift).astype(np.float32), length_s, partials, rate)
    return tones.shaped(wave, rng.uniform(0.01, 0.5), rng.uniform(0.01, 0.5), rate)


def sweep(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A tone that glides once from one pitch to another."""
    length_s = rng.uniform(0.3, min(4.0, duration_s))
    low, high = np.log(rng.uniform(100, 6000, 2))
    path = np.exp(np.linspace(low, high, round(length_s * rate))).astype(np.float32)
    return tones.shaped(tones.tone(path, length_s, tones.sine_partials(), rate), 0.02, 0.05, rate)


def whistle(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A person's whistle: a breathy sine that wanders between notes."""
    length_s = rng.uniform(0.4, min(4.0, duration_s))
    count, notes = round(length_s * rate), int(rng.integers(2, 10))
    time_s = np.arange(count) / rate
    pitch_hz = rng.uniform(700, 2200) * np.interp(
        time_s, np.linspace(0, length_s, notes), rng.uniform(0.75, 1.35, notes)
    )
    vibrato = 1 + 0.01 * np.sin(2 * np.pi * rng.uniform(4, 7) * time_s)
    wave = tones.tone((pitch_hz * vibrato).astype(np.float32), length_s, [(1.0, 1.0), (2.0, 0.05)], rate)
    breath = rng.normal(0, rng.uniform(0.005, 0.06), count).astype(np.float32)
    return tones.shaped(0.9 * wave + breath, 0.05, 0.08, rate)
