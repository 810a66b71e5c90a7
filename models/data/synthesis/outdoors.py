"""A siren, rain and a clock: for the demo recording, and a few for training."""

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import tones


def siren(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """An emergency vehicle's siren: wail, yelp or hi-lo, through a horn that is driven hard."""
    time_s = np.arange(round(duration_s * rate)) / rate
    kind = tones.pick(rng, (_wail, _yelp, _hi_lo))
    wave = tones.tone(kind(rng, time_s), duration_s, tones.sawtooth_partials(rng.uniform(1.0, 2.0), 10), rate)
    return 0.9 * tones.saturated(wave, rng.uniform(1.0, 3.0))


def _wail(rng: np.random.Generator, time_s: np.ndarray) -> Floats:
    return _sweep(time_s / rng.uniform(3.0, 7.0) + rng.random(), rng)


def _yelp(rng: np.random.Generator, time_s: np.ndarray) -> Floats:
    return _sweep(time_s / rng.uniform(0.22, 0.45) + rng.random(), rng)


def _sweep(turns: np.ndarray, rng: np.random.Generator) -> Floats:
    """Up and down between some 600 and 1500 Hz, once a turn."""
    low_hz, high_hz = rng.uniform(450, 750), rng.uniform(1100, 1700)
    height = 1 - np.abs(2 * (turns % 1) - 1)
    path: Floats = (low_hz * (high_hz / low_hz) ** height).astype(np.float32)
    return path


def _hi_lo(rng: np.random.Generator, time_s: np.ndarray) -> Floats:
    low_hz, ratio = rng.uniform(400, 700), rng.uniform(1.12, 1.4)
    high = (time_s / rng.uniform(0.8, 1.4) + rng.random()) % 1 < 0.5
    path: Floats = np.where(high, low_hz * ratio, low_hz).astype(np.float32)
    return path


def rain(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """Rain: a hiss of many far drops, and near ones that can be told apart."""
    count = round(duration_s * rate)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / rate)
    corner_hz, slope = rng.uniform(800, 3000), rng.uniform(0.3, 1.0)
    hiss = np.fft.irfft(spectrum * (1 + (frequency_hz / corner_hz) ** 2) ** (-slope / 2), count)
    hiss *= 0.15 / hiss.std()
    drops = [_drop(rng, rate) for _ in range(40)]
    times_s = rng.uniform(0, duration_s, int(rng.uniform(15, 120) * duration_s))
    levels = rng.exponential(0.15, len(times_s)).astype(np.float32)
    placed = [(t, drops[n % len(drops)] * levels[n]) for n, t in enumerate(times_s)]
    wet: Floats = np.clip(hiss.astype(np.float32) + tones.tape(duration_s, placed, rate), -1, 1)
    return wet


def _drop(rng: np.random.Generator, rate: int) -> Floats:
    wave = tones.struck([(rng.uniform(1200, 6500), 1.0, rng.uniform(0.01, 0.06))], 0.04, rate)
    splash: Floats = (wave + 0.4 * rng.standard_normal(len(wave)) * np.abs(wave)).astype(np.float32)
    return splash


def clock_tick(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A clock: one, two or five ticks a second, tick and tock a little apart in sound."""
    period_s = 1 / tones.pick(rng, (1.0, 2.0, 5.0), (4, 2, 1))
    pair = [_tick(rng, rate), _tick(rng, rate)] if rng.random() < 0.6 else [_tick(rng, rate)]
    start_s = rng.uniform(0, period_s)
    ticks = int(duration_s / period_s) + 1
    placed = [(start_s + n * period_s, pair[n % len(pair)]) for n in range(ticks)]
    return 0.9 * tones.tape(duration_s, placed, rate)


def _tick(rng: np.random.Generator, rate: int) -> Floats:
    """A click of the escapement and what the case makes of it."""
    modes = [(rng.uniform(900, 7000), rng.uniform(0.3, 1.0), rng.uniform(0.008, 0.05)) for _ in range(5)]
    wave = tones.struck(modes, 0.06, rate)
    wave[: rate // 500] += rng.normal(0, 0.5, rate // 500).astype(np.float32)
    tick: Floats = wave / np.abs(wave).max()
    return tick
