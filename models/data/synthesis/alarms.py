"""Alarms of the home and of buildings: the patterns of standards, and those that no standard prescribes.

T3 (ISO 8201, NFPA 72): three pulses of 0.5 s, 0.5 s apart, then 1.5 s of silence.
T4 (NFPA 720, UL 2034): four pulses of 0.1 s, 0.1 s apart, then 5 s of silence.
EN 14604 prescribes no rhythm: detectors elsewhere beep fast and evenly, sweep, alternate or sound without a pause.
"""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import tones
from models.data.synthesis.bells import bell_ringer


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pulses, and the pause before they repeat. Seconds."""

    pulse_s: float
    gap_s: float
    pulses: int
    pause_s: float

    @property
    def period_s(self) -> float:
        """Length of one period in seconds."""
        return self.pulses * self.pulse_s + (self.pulses - 1) * self.gap_s + self.pause_s

    def scaled(self, on: float, off: float) -> "Pattern":
        """The same pattern from a device whose clock is off."""
        return Pattern(self.pulse_s * on, self.gap_s * off, self.pulses, self.pause_s * off)

    def starts_s(self, until_s: float, first_s: float = 0.0) -> list[float]:
        """When pulses start, from `first_s` (negative: the alarm was sounding before) to `until_s`."""
        step_s = self.pulse_s + self.gap_s
        cycles = int(np.ceil(max(0.0, until_s - first_s) / self.period_s))
        starts = [first_s + c * self.period_s + p * step_s for c in range(cycles) for p in range(self.pulses)]
        return [start for start in starts if start < until_s]


T3 = Pattern(0.5, 0.5, 3, 1.5)
T4 = Pattern(0.1, 0.1, 4, 5.0)
TOLERANCE = 0.08  # the standards allow 10 %


@dataclass(frozen=True, slots=True)
class Voice:
    """The timbre of one sounder."""

    frequency_hz: float
    partials: tones.Partials
    chirp: float = 0.0  # share by which a pulse starts off its pitch
    settle_s: float = 0.05
    attack_s: float = 0.003
    release_s: float = 0.006
    wobble: float = 0.0  # depth of the slow amplitude modulation
    drive: float = 0.0  # of a saturated loudspeaker; 0: none


def smoke_alarm(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A smoke alarm of any country: T3, even beeps, groups of beeps, a sweep, two tones, or a steady tone."""
    kinds = (_t3, _even, _grouped, _swept, _two_tone, _steady, _spoken)
    kind = tones.pick(rng, kinds, (0.34, 0.3, 0.08, 0.09, 0.06, 0.06, 0.07))
    wave = kind(rng, rate, duration_s)
    if rng.random() < 0.1:  # a second one, in another room
        wave = wave + np.float32(rng.uniform(0.15, 0.8)) * kind(rng, rate, duration_s)
    return wave


def co_alarm(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A T4 alarm."""
    voice = low_square(rng) if rng.random() < 0.1 else piezo(rng)
    return alarm(T4, voice, rng, rate, duration_s)


def other_alarm(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """An alarm of a building, a car or a burglar alarm: horns, whoops, two tones, bells, fast sweeps."""
    kinds = (_horn, _whoop, _hi_lo, _building_bell, _burglar, _fast_beeps)
    kind = tones.pick(rng, kinds, (0.25, 0.2, 0.15, 0.15, 0.15, 0.1))
    return kind(rng, rate, duration_s)


def low_battery_chirp(rng: np.random.Generator, rate: int, _duration_s: float) -> Floats:
    """One short chirp of a detector, sometimes two; the next comes after half a minute or later."""
    voice = piezo(rng)
    chirp = pulse(voice, float(np.exp(rng.uniform(np.log(0.02), np.log(0.18)))), rng, rate)
    start_s, apart_s = rng.uniform(0.05, 0.5), rng.uniform(0.1, 0.5)
    count = int(rng.choice((1, 2), p=(0.8, 0.2)))
    return tones.tape(start_s + 1.2, [(start_s + n * apart_s, chirp) for n in range(count)], rate)


def alarm(nominal: Pattern, voice: Voice, rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """The pattern sounded from a random moment of it, within the standard's tolerance."""
    on, off = rng.uniform(1 - TOLERANCE, 1 + TOLERANCE, 2)
    pattern = nominal.scaled(on, off)
    silent_s = 0.0 if rng.random() < 0.5 else rng.uniform(0, pattern.period_s)
    beep = pulse(voice, pattern.pulse_s, rng, rate)
    return tones.tape(duration_s, [(start, beep) for start in pattern.starts_s(duration_s, -silent_s)], rate)


def pulse(voice: Voice, pulse_s: float, rng: np.random.Generator, rate: int) -> Floats:
    """One pulse of a sounder."""
    path = tones.glide(voice.frequency_hz * (1 + voice.chirp), voice.frequency_hz, voice.settle_s, pulse_s, rate)
    wave = tones.tone(path, pulse_s, voice.partials, rate)
    if voice.wobble:
        time_s = np.arange(len(wave), dtype=np.float32) / rate
        wave = wave * (1 - voice.wobble * np.sin(2 * np.pi * rng.uniform(3, 40) * time_s) ** 2).astype(np.float32)
    if voice.drive:
        wave = tones.saturated(wave, voice.drive)
    return tones.shaped(wave, voice.attack_s, voice.release_s, rate)


def piezo(rng: np.random.Generator) -> Voice:
    """A piezo disc, near its resonance or driven off it."""
    frequency_hz = float(np.clip(rng.normal(3100, 220), 2400, 4000))
    if rng.random() < 0.35:
        frequency_hz = rng.uniform(2300, 4100)
    partials = [(1.0, 1.0), (2.0, rng.uniform(0, 0.4)), (0.5, rng.uniform(0, 0.1) * (rng.random() < 0.3))]
    return Voice(frequency_hz, partials, *_manner(rng))


def low_square(rng: np.random.Generator) -> Voice:
    """The 520 Hz square wave of bedroom sounders."""
    return Voice(520 * rng.uniform(0.93, 1.07), tones.square_partials(rng.uniform(0.42, 0.5)), *_manner(rng))


def _manner(rng: np.random.Generator) -> tuple[float, float, float, float, float, float]:
    """Chirp, settling time, attack, release, wobble and drive of a sounder."""
    chirp = rng.normal(0, 0.012) if rng.random() < 0.5 else 0.0
    wobble = rng.uniform(0, 0.4) if rng.random() < 0.3 else 0.0
    drive = rng.uniform(1, 6) if rng.random() < 0.3 else 0.0
    return chirp, rng.uniform(0.01, 0.1), rng.uniform(0.001, 0.008), rng.uniform(0.002, 0.02), wobble, drive


def _t3(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    return alarm(T3, low_square(rng) if rng.random() < 0.2 else piezo(rng), rng, rate, duration_s)


def _even(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """Even beeps, 1 to 12 a second, as most detectors to EN 14604."""
    period_s, on = float(np.exp(rng.uniform(np.log(0.08), np.log(1.0)))), rng.uniform(0.3, 0.75)
    return alarm(Pattern(period_s * on, 0.0, 1, period_s * (1 - on)), piezo(rng), rng, rate, duration_s)


def _grouped(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    pulse_s, gap_s = rng.uniform(0.08, 0.35), rng.uniform(0.06, 0.25)
    return alarm(
        Pattern(pulse_s, gap_s, int(rng.choice((2, 3, 5))), rng.uniform(0.4, 1.3)), piezo(rng), rng, rate, duration_s
    )


def _swept(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A piezo swept up, down, or both, 0.7 to 12 times a second."""
    low_hz, span = rng.uniform(1800, 3000), rng.uniform(1.1, 1.7)
    turns = np.arange(round(duration_s * rate)) / rate * np.exp(rng.uniform(np.log(0.7), np.log(12))) + rng.random()
    phase = turns % 1
    height = tones.pick(rng, (phase, 1 - phase, 1 - np.abs(2 * phase - 1)))
    wave = tones.tone((low_hz * span**height).astype(np.float32), duration_s, piezo(rng).partials, rate)
    on = tones.pick(rng, (1.0, rng.uniform(0.6, 0.95)))
    return np.asarray(wave * (phase < on), np.float32)


def _two_tone(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    low_hz, ratio, turns_hz = (
        rng.uniform(1800, 3200),
        rng.uniform(1.08, 1.5),
        np.exp(rng.uniform(np.log(1), np.log(15))),
    )
    high = (np.arange(round(duration_s * rate)) * turns_hz / rate + rng.random()) % 1 < 0.5
    return tones.tone(np.where(high, low_hz * ratio, low_hz).astype(np.float32), duration_s, piezo(rng).partials, rate)


def _steady(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A tone without a pause, perhaps rattled by a fast modulation."""
    wave = pulse(piezo(rng), duration_s, rng, rate)
    if rng.random() < 0.6:
        beat_hz, duty = rng.uniform(10, 40), rng.uniform(0.4, 0.9)
        wave = wave * ((np.arange(len(wave)) * beat_hz / rate) % 1 < duty).astype(np.float32)
    return wave


def _spoken(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """Beeps with a voice prompt in the pauses, rendered as a buzz through moving formants."""
    wave = _t3(rng, rate, duration_s) if rng.random() < 0.5 else _grouped(rng, rate, duration_s)
    pause_s, level = rng.uniform(2.5, 4.5), rng.uniform(0.3, 1.0)
    time_s = np.arange(len(wave)) / rate
    talking = ((time_s + rng.uniform(0, pause_s)) % pause_s) > 0.55 * pause_s
    return np.asarray(np.where(talking, level * prompt(rng, len(wave), rate), wave), np.float32)


def prompt(rng: np.random.Generator, count: int, rate: int) -> Floats:
    """A voice-like sound: harmonics of a gliding pitch, weighted by two formants that move with each syllable."""
    time_s = np.arange(count) / rate
    syllables = max(2, int(count / rate * rng.uniform(3, 5)))
    knots = np.linspace(0, count / rate, syllables)
    pitch_hz = rng.uniform(110, 240) * np.interp(time_s, knots, rng.uniform(0.85, 1.2, syllables))
    first, second = (np.interp(time_s, knots, rng.uniform(*limits, syllables)) for limits in ((300, 900), (900, 2500)))
    phase, wave = 2 * np.pi * np.cumsum(pitch_hz) / rate, np.zeros(count)
    for n in range(1, 22):
        gain = sum(1 / (1 + ((n * pitch_hz - formant) / 120) ** 2) for formant in (first, second))
        wave += gain * np.sin(n * phase)
    loud = np.abs(np.sin(np.pi * syllables * time_s * rate / count)) ** 0.7
    return np.asarray(wave * loud / max(1e-9, float(np.abs(wave).max())), np.float32)


def _horn(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """An electric horn: continuous, T3, or 1 to 2 a second."""
    voice = Voice(rng.uniform(300, 1100), tones.sawtooth_partials(rng.uniform(0.4, 1.2), 20), drive=rng.uniform(1, 5))
    rhythm = tones.pick(
        rng, (Pattern(duration_s, 0, 1, 0.01), T3, Pattern(rng.uniform(0.25, 0.6), 0, 1, rng.uniform(0.2, 0.6)))
    )
    return alarm(rhythm, voice, rng, rate, duration_s)


def _whoop(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """The slow whoop (500 to 1200 Hz in 3.5 s), the falling tone of DIN 33404, and their like."""
    period_s, gap = tones.pick(rng, ((3.5, 0.12), (1.0, 0.0), (rng.uniform(0.3, 2.5), rng.uniform(0, 0.2))))
    phase = (np.arange(round(duration_s * rate)) / rate / period_s + rng.random()) % 1
    low_hz, high_hz = rng.uniform(400, 900), rng.uniform(1000, 2400)
    height = phase if rng.random() < 0.6 else 1 - phase
    partials = tones.square_partials(rng.uniform(0.3, 0.5))
    wave = tones.tone((low_hz * (high_hz / low_hz) ** height).astype(np.float32), duration_s, partials, rate)
    return tones.saturated(wave * (phase < 1 - gap).astype(np.float32), rng.uniform(1, 4))


def _hi_lo(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    low_hz, ratio, half_s = rng.uniform(500, 1000), rng.uniform(1.1, 1.35), rng.uniform(0.1, 0.6)
    high = (np.arange(round(duration_s * rate)) / rate / half_s + rng.random()) % 2 < 1
    partials = tones.square_partials(rng.uniform(0.3, 0.5))
    return tones.tone(np.where(high, low_hz * ratio, low_hz).astype(np.float32), duration_s, partials, rate)


def _building_bell(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A motor bell that rings without a pause."""
    return bell_ringer(rng, rate, duration_s)


def _burglar(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A loud siren swept fast between 1 and 4 kHz; a car alarm changes its figure every few seconds."""
    figure_s = tones.pick(rng, (duration_s, rng.uniform(1.5, 3.0)))
    pieces: list[Floats] = []
    while sum(len(piece) for piece in pieces) < duration_s * rate:
        turns = np.arange(round(figure_s * rate)) / rate * np.exp(rng.uniform(np.log(1), np.log(14)))
        low_hz, span, phase = rng.uniform(700, 1800), rng.uniform(1.3, 2.2), turns % 1
        height = tones.pick(rng, (phase, 1 - phase, 1 - np.abs(2 * phase - 1), (phase < 0.5).astype(float)))
        partials = tones.sawtooth_partials(rng.uniform(0.7, 1.6), 8)
        pieces.append(tones.tone((low_hz * span**height).astype(np.float32), figure_s, partials, rate))
    return tones.saturated(np.concatenate(pieces)[: round(duration_s * rate)], rng.uniform(1, 4))


def _fast_beeps(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    voice = Voice(rng.uniform(700, 2200), tones.square_partials(rng.uniform(0.25, 0.5)), drive=rng.uniform(0, 3))
    period_s = rng.uniform(0.1, 0.6)
    return alarm(Pattern(period_s / 2, 0, 1, period_s / 2), voice, rng, rate, duration_s)
