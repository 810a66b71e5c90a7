"""Smoke and carbon monoxide alarms: the evacuation patterns that standards define.

T3 (ISO 8201, NFPA 72): three pulses of 0.5 s, 0.5 s apart, then 1.5 s of silence.
T4 (NFPA 720, UL 2034): four pulses of 0.1 s, 0.1 s apart, then 5 s of silence.
"""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import tones


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pulses, and the pause before they come again. Seconds."""

    pulse_s: float
    gap_s: float
    pulses: int
    pause_s: float

    @property
    def period_s(self) -> float:
        return self.pulses * self.pulse_s + (self.pulses - 1) * self.gap_s + self.pause_s

    def scaled(self, on: float, off: float) -> "Pattern":
        """The same pattern from a device whose clock is a little off."""
        return Pattern(self.pulse_s * on, self.gap_s * off, self.pulses, self.pause_s * off)

    def starts_s(self, until_s: float, first_s: float = 0.0) -> list[float]:
        """When pulses start, from `first_s` (may be negative: the alarm was sounding before) to `until_s`."""
        step_s = self.pulse_s + self.gap_s
        cycles = int(np.ceil(max(0.0, until_s - first_s) / self.period_s))
        starts = [first_s + c * self.period_s + p * step_s for c in range(cycles) for p in range(self.pulses)]
        return [start for start in starts if start < until_s]


T3 = Pattern(0.5, 0.5, 3, 1.5)
T4 = Pattern(0.1, 0.1, 4, 5.0)
TOLERANCE = 0.08  # the standards allow 10 %


def smoke_alarm(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A T3 alarm: a 3.1 kHz piezo disc, or the 520 Hz square of bedroom sounders."""
    voice = _low_square if rng.random() < 0.25 else _piezo
    return alarm(T3, voice(rng), rng, rate, duration_s)


def co_alarm(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A T4 alarm, with the same sounders."""
    voice = _low_square if rng.random() < 0.1 else _piezo
    return alarm(T4, voice(rng), rng, rate, duration_s)


@dataclass(frozen=True, slots=True)
class Voice:
    """How one sounder sounds."""

    frequency_hz: float
    partials: tones.Partials
    chirp: float  # share by which a pulse starts off its pitch
    settle_s: float
    attack_s: float
    release_s: float
    wobble: float  # depth of the amplitude's slow modulation


def alarm(nominal: Pattern, voice: Voice, rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """The pattern sounded from a random moment of it, within the standard's tolerance."""
    on, off = rng.uniform(1 - TOLERANCE, 1 + TOLERANCE, 2)
    pattern = nominal.scaled(on, off)
    silent_s = 0.0 if rng.random() < 0.5 else rng.uniform(0, pattern.period_s)
    pulse = _pulse(voice, pattern.pulse_s, rng, rate)
    starts = pattern.starts_s(duration_s, -silent_s)
    return tones.tape(duration_s, [(start, pulse) for start in starts], rate)


def _pulse(voice: Voice, pulse_s: float, rng: np.random.Generator, rate: int) -> Floats:
    path = tones.glide(voice.frequency_hz * (1 + voice.chirp), voice.frequency_hz, voice.settle_s, pulse_s, rate)
    wave = tones.tone(path, pulse_s, voice.partials, rate)
    time_s = np.arange(len(wave), dtype=np.float32) / rate
    wave = wave * (1 - voice.wobble * np.sin(2 * np.pi * rng.uniform(3, 40) * time_s) ** 2).astype(np.float32)
    return tones.shaped(wave, voice.attack_s, voice.release_s, rate)


def _piezo(rng: np.random.Generator) -> Voice:
    frequency_hz = float(np.clip(rng.normal(3100, 180), 2650, 3650))
    partials = [(1.0, 1.0), (2.0, rng.uniform(0, 0.3)), (0.5, rng.uniform(0, 0.08) * (rng.random() < 0.3))]
    return Voice(frequency_hz, partials, *_manner(rng))


def _low_square(rng: np.random.Generator) -> Voice:
    return Voice(520 * rng.uniform(0.93, 1.07), tones.square_partials(rng.uniform(0.42, 0.5)), *_manner(rng))


def _manner(rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    """Chirp, settling time, attack, release and wobble of a sounder."""
    chirp = rng.normal(0, 0.01) if rng.random() < 0.5 else 0.0
    wobble = rng.uniform(0, 0.4) if rng.random() < 0.3 else 0.0
    return chirp, rng.uniform(0.01, 0.1), rng.uniform(0.001, 0.008), rng.uniform(0.002, 0.012), wobble
