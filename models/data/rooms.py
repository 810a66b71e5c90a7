"""Rooms and their steady noise: responses, hiss, hum, fans, whines."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from listener.pipeline.values import Floats

LONGEST_S = 0.8  # of a response


def room_response(rng: np.random.Generator, rate: int = 16_000) -> Floats:
    """A response of unit energy: the direct sound, early reflections, a decaying tail of RT60 0.1 to 0.8 s."""
    rt60_s = rng.uniform(0.1, LONGEST_S)
    time_s = np.arange(int(rt60_s * rate)) / rate
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
    tail[: int(rng.uniform(0.005, 0.03) * rate)] = 0  # nothing comes back before the nearest wall
    for _ in range(int(rng.integers(3, 10))):
        tail[int(rng.uniform(0.001, 0.04) * rate)] += rng.choice((-1, 1)) * rng.uniform(0.5, 3)
    tail = np.convolve(tail, (1, rng.uniform(0, 0.9)))[: len(tail)]  # walls swallow the treble
    direct_db = rng.uniform(-3, 15)
    response = tail * 10 ** (-direct_db / 20) / max(float(np.sqrt((tail**2).sum())), 1e-9)
    response[0] += 1.0
    return _unit_energy(response)


def recorded_responses(folder: Path, rate: int = 16_000) -> list[Floats]:
    """The responses of real rooms in `folder/*.wav`, from their direct sound on, and shortened to smaller rooms."""
    found = []
    for path in sorted(folder.glob("*.wav")):
        samples, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
        response = soxr.resample(samples[:, 0], source_rate, rate)
        response = response[int(np.abs(response).argmax()) :][: int(LONGEST_S * rate)]
        for decay_s in (np.inf, 0.3, 0.12):
            found.append(_unit_energy(response * np.exp(-np.arange(len(response)) / rate / decay_s)))
    return found


def in_room(dry: Floats, response: Floats) -> Floats:
    """A sound as it is heard in a room, cut to its own length."""
    size = 1 << (len(dry) + len(response)).bit_length()
    spectrum = np.fft.rfft(dry, size) * np.fft.rfft(response, size)
    wet: Floats = np.fft.irfft(spectrum, size)[: len(dry)].astype(np.float32)
    return wet


def room_noise(rng: np.random.Generator, count: int, rate: int = 16_000) -> Floats:
    """Steady noise of a room, of unit power: coloured, with hum, of a fan, or with a whine."""
    kinds: tuple[Callable[..., Floats], ...] = (coloured, _with_hum, _fan, _whine)
    kind = kinds[int(rng.choice(len(kinds), p=(0.5, 0.2, 0.17, 0.13)))]
    return _unit(kind(rng, count, rate))


def coloured(rng: np.random.Generator, count: int, rate: int = 16_000) -> Floats:
    """Noise whose power falls (or rises) by some dB an octave: white, pink, brown and between."""
    frequency_hz = np.maximum(np.fft.rfftfreq(count, 1 / rate), 30.0)
    shape = (frequency_hz / 1000) ** -rng.uniform(-0.3, 1.2)
    if rng.random() < 0.4:  # a broad hump or dip, as of a ventilation duct
        octaves = np.log2(frequency_hz / np.exp(rng.uniform(np.log(100), np.log(5000))))
        shape *= 10 ** (rng.uniform(-10, 12) / 20 * np.exp(-(octaves**2)))
    return _unit(np.fft.irfft(_random_spectrum(rng, len(frequency_hz)) * shape, count))


def hum(rng: np.random.Generator, count: int, rate: int = 16_000) -> Floats:
    """Mains hum of 50 or 60 Hz and its harmonics, of unit power."""
    time_s = np.arange(count) / rate
    mains_hz = rng.choice((50.0, 60.0)) * rng.uniform(0.998, 1.002)
    harmonics = np.arange(1, int(rng.integers(3, 16)))
    gains = rng.uniform(0.2, 1, len(harmonics)) * harmonics ** -rng.uniform(0.3, 1.5)
    return _unit(sum(g * np.sin(2 * np.pi * n * mains_hz * time_s + n) for n, g in zip(harmonics, gains, strict=True)))


def _with_hum(rng: np.random.Generator, count: int, rate: int) -> Floats:
    return coloured(rng, count, rate) + np.float32(10 ** (rng.uniform(-12, 9) / 20)) * hum(rng, count, rate)


def _fan(rng: np.random.Generator, count: int, rate: int) -> Floats:
    """Noise that the blades modulate, with their tone in it."""
    time_s = np.arange(count) / rate
    blades_hz = rng.uniform(15, 180)
    beat = 1 + rng.uniform(0, 0.3) * np.sin(2 * np.pi * blades_hz * time_s)
    tone = _unit(np.sin(2 * np.pi * blades_hz * time_s) + 0.5 * np.sin(4 * np.pi * blades_hz * time_s))
    return coloured(rng, count, rate) * beat.astype(np.float32) + np.float32(10 ** (rng.uniform(-20, -3) / 20)) * tone


def _whine(rng: np.random.Generator, count: int, rate: int) -> Floats:
    """Noise with one to three steady tones, as of power supplies and screens."""
    time_s = np.arange(count) / rate
    noise = coloured(rng, count, rate)
    for _ in range(int(rng.integers(1, 4))):
        frequency_hz = np.exp(rng.uniform(np.log(150), np.log(7500)))
        noise += np.float32(10 ** (rng.uniform(-25, 3) / 20)) * _unit(np.sin(2 * np.pi * frequency_hz * time_s))
    return noise


def _random_spectrum(rng: np.random.Generator, bins: int) -> np.ndarray:
    return rng.standard_normal(bins, dtype=np.float32) + 1j * rng.standard_normal(bins, dtype=np.float32)


def _unit(wave: np.ndarray) -> Floats:
    return (wave / max(float(np.sqrt(np.square(wave).mean())), 1e-9)).astype(np.float32)


def _unit_energy(response: np.ndarray) -> Floats:
    return (response / max(float(np.sqrt(np.square(response).sum())), 1e-9)).astype(np.float32)
