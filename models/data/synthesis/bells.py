"""Struck bars, gongs and bells: what chimes, telephones and alarm bells are made of."""

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import tones

BAR = ((1.0, 1.0), (2.756, 0.45), (5.404, 0.2))  # a free bar's modes: tubes and plates of door chimes
PLATE = ((1.0, 1.0), (2.0, 0.5), (3.0, 0.25), (4.2, 0.12))


def bar(frequency_hz: float, rt60_s: float, rng: np.random.Generator, rate: int) -> Floats:
    """One struck bar: higher modes fade sooner; a soft mallet hardly excites them."""
    softness = rng.uniform(0.1, 1.2)
    modes = BAR if rng.random() < 0.6 else PLATE
    partials = [
        (frequency_hz * ratio * rng.uniform(0.995, 1.005), gain * softness ** (n > 0), rt60_s / ratio**0.8)
        for n, (ratio, gain) in enumerate(modes)
    ]
    return tones.struck(partials, rt60_s, rate)


def gong(rng: np.random.Generator, rate: int, base_hz: float | None = None, rt60_s: float = 0.9) -> Floats:
    """The shell of a bell, struck once."""
    base = base_hz or rng.uniform(700, 1900)
    ratios = np.array([1.0, 2.0, 2.9, 3.6, 4.9]) * rng.uniform(0.93, 1.07, 5)
    partials = [(base * r, rng.uniform(0.2, 1.0), rt60_s * rng.uniform(0.25, 1.0)) for r in ratios]
    return tones.struck(partials, max(0.4, rt60_s / 2), rate)


def bell_ringer(rng: np.random.Generator, rate: int, length_s: float) -> Floats:
    """One or two gongs struck in turn by a clapper, two strokes for each cycle of 16 to 25 Hz ringing current."""
    stroke_s = 0.5 / rng.uniform(16, 25)
    gongs = [gong(rng, rate) for _ in range(int(rng.integers(1, 3)))]
    strokes = int(length_s / stroke_s)
    levels = rng.uniform(0.7, 1.0, strokes).astype(np.float32)
    placed = [(n * stroke_s + rng.normal(0, 0.001), gongs[n % len(gongs)] * levels[n]) for n in range(strokes)]
    return normalised(tones.tape(length_s, placed, rate))


def normalised(wave: Floats) -> Floats:
    """The wave with a peak of 1."""
    return wave / max(float(np.abs(wave).max()), 1e-9)
