"""Doorbells, telephones and appliances, of many kinds."""

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import tones
from models.data.synthesis.bells import bar, bell_ringer, gong, normalised

MAJOR = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)  # semitones
WESTMINSTER = ((4, 2, 0, -5), (0, 4, 2, -5), (4, 0, 2, -5), (0, 2, 4, 0))  # semitones, by quarter


def doorbell(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """Ding-dong, a melody on bars, an electronic chime, a buzzer, a bell, a gong or a warble; pressed once or more."""
    kinds = (_ding_dong, _melody, _electronic_chime, _buzzer, _door_bell, _single_gong, _warble)
    kind = tones.pick(rng, kinds, (0.36, 0.2, 0.16, 0.08, 0.1, 0.05, 0.05))
    press = kind(rng, rate)
    again_s = len(press) / rate * rng.uniform(0.5, 1.0) + rng.uniform(0.1, 2.5)
    presses = int(rng.integers(1, 4))
    return tones.tape(duration_s, [(n * again_s, press) for n in range(presses)], rate)


def _ding_dong(rng: np.random.Generator, rate: int) -> Floats:
    high_hz, step = rng.uniform(480, 1100), 2 ** (-tones.pick(rng, (2, 3, 4, 5, 7), (1, 2, 6, 2, 1)) / 12)
    apart_s, rt60_s = rng.uniform(0.25, 0.9), rng.uniform(0.7, 3.0)
    notes = [high_hz, high_hz * step] if rng.random() < 0.85 else [high_hz]
    waves = [bar(note, rt60_s, rng, rate) for note in notes]
    return tones.tape(apart_s + rt60_s, [(n * apart_s, wave) for n, wave in enumerate(waves)], rate)


def _melody(rng: np.random.Generator, rate: int) -> Floats:
    base_hz, beat_s, rt60_s = rng.uniform(330, 720), rng.uniform(0.28, 0.7), rng.uniform(0.6, 2.5)
    if rng.random() < 0.5:
        quarters = rng.integers(0, 4, int(rng.integers(1, 3)))
        steps = [step for quarter in quarters for step in WESTMINSTER[quarter]]
    else:
        steps = [int(step) for step in rng.choice(MAJOR, int(rng.integers(3, 9)))]
    notes = [(n * beat_s, bar(base_hz * 2 ** (step / 12), rt60_s, rng, rate)) for n, step in enumerate(steps)]
    return tones.tape(len(steps) * beat_s + rt60_s, notes, rate)


def _electronic_chime(rng: np.random.Generator, rate: int) -> Floats:
    base_hz, beat_s, fall_s = rng.uniform(500, 1400), rng.uniform(0.1, 0.4), rng.uniform(0.15, 0.8)
    partials = tones.pick(rng, (tones.sine_partials(), tones.square_partials(), tones.square_partials(0.25)))
    steps = rng.choice(MAJOR, int(rng.integers(2, 10)))
    placed = []
    for n, step in enumerate(steps):
        wave = tones.tone(base_hz * 2 ** (step / 12), beat_s + fall_s, partials, rate)
        fade = np.exp(-np.arange(len(wave)) / rate / fall_s * 3).astype(np.float32)
        placed.append((n * beat_s, tones.shaped(wave * fade, 0.003, 0.01, rate)))
    return tones.tape(len(steps) * beat_s + fall_s, placed, rate)


def _buzzer(rng: np.random.Generator, rate: int) -> Floats:
    mains_hz = tones.pick(rng, (50.0, 60.0, 100.0, 120.0)) * rng.uniform(0.99, 1.01)
    length_s = rng.uniform(0.25, 1.6)
    wave = tones.tone(mains_hz, length_s, tones.sawtooth_partials(rng.uniform(0.2, 1.0), 60), rate)
    rattle = rng.normal(0, rng.uniform(0.02, 0.15), len(wave)).astype(np.float32) * np.abs(wave)
    return tones.shaped(tones.saturated(wave + rattle, rng.uniform(1, 4)), 0.01, 0.02, rate)


def _door_bell(rng: np.random.Generator, rate: int) -> Floats:
    """An electric bell that rings while the button is held."""
    return bell_ringer(rng, rate, rng.uniform(0.3, 2.5))


def _single_gong(rng: np.random.Generator, rate: int) -> Floats:
    return gong(rng, rate, rng.uniform(300, 1400), rng.uniform(0.8, 3.0))


def _warble(rng: np.random.Generator, rate: int) -> Floats:
    """A wireless bell's trill of two pitches, fading."""
    length_s = rng.uniform(0.4, 1.8)
    wave = _trill(rng, rate, length_s)
    return wave * np.linspace(1, rng.uniform(0, 1), len(wave), dtype=np.float32)


def telephone_ring(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A bell ringer, ringing tones of the network, or an electronic trill, with a real cadence."""
    kind = tones.pick(rng, (bell_ringer, _line_tone, _trill, _ringtone), (0.35, 0.15, 0.35, 0.15))
    bursts, pause_s = _cadence(rng)
    period_s = sum(on + off for on, off in bursts) + pause_s
    start_s = 0.0 if rng.random() < 0.6 else -rng.uniform(0, period_s)
    voice = kind(rng, rate, max(on for on, _ in bursts))
    placed: list[tones.Placed] = []
    while start_s < duration_s:
        for on_s, off_s in bursts:
            placed.append((start_s, tones.shaped(voice[: round(on_s * rate)], 0.004, 0.03, rate)))
            start_s += on_s + off_s
        start_s += pause_s
    return tones.tape(duration_s, placed, rate)


def _cadence(rng: np.random.Generator) -> tuple[list[tuple[float, float]], float]:
    """Bursts of (on, off) seconds and the pause after them: American, British, European, office, mobile."""
    slack = rng.uniform(0.92, 1.08)
    cadences = (
        ([(2.0, 0.0)], 4.0),
        ([(0.4, 0.2), (0.4, 0.0)], 2.0),
        ([(1.0, 0.0)], 4.0),
        ([(0.5, 0.5), (0.5, 0.0)], 3.0),
        ([(1.5, 0.0)], 1.5),
    )
    bursts, pause_s = tones.pick(rng, cadences, (3, 3, 2, 1, 1.5))
    return [(on * slack, off * slack) for on, off in bursts], pause_s * slack


def _line_tone(rng: np.random.Generator, rate: int, length_s: float) -> Floats:
    """Two tones of the exchange: 440 + 480 Hz (America), 400 + 450 Hz (Britain), 425 Hz (Europe)."""
    pair = tones.pick(rng, ((440.0, 480.0), (400.0, 450.0), (425.0, 425.0)))
    waves = [tones.tone(hz * rng.uniform(0.995, 1.005), length_s, tones.sine_partials(), rate) for hz in pair]
    return 0.5 * (waves[0] + waves[1])


def _trill(rng: np.random.Generator, rate: int, length_s: float) -> Floats:
    """An electronic ringer: two or three pitches in quick turn."""
    base_hz, turns_hz = rng.uniform(600, 2600), rng.uniform(8, 30)
    ratios = np.array([1.0, rng.uniform(1.12, 1.5), rng.uniform(0.8, 1.7)])[: int(rng.integers(2, 4))]
    turn = (np.arange(round(length_s * rate)) * turns_hz / rate).astype(int) % len(ratios)
    partials = tones.pick(rng, (tones.sine_partials(), tones.square_partials(), tones.square_partials(0.3)))
    return tones.tone((base_hz * ratios[turn]).astype(np.float32), length_s, partials, rate)


def _ringtone(rng: np.random.Generator, rate: int, length_s: float) -> Floats:
    """A mobile's short figure on a plucked or electronic voice, over and over."""
    base_hz, beat_s = rng.uniform(500, 1300), rng.uniform(0.07, 0.16)
    figure = rng.choice(MAJOR, int(rng.integers(3, 7)))
    plucked = rng.random() < 0.5
    placed = []
    for n in range(int(length_s / beat_s)):
        note_hz = base_hz * 2 ** (figure[n % len(figure)] / 12)
        wave = bar(note_hz, 0.35, rng, rate) if plucked else tones.tone(note_hz, beat_s, [(1, 1.0), (3, 0.3)], rate)
        placed.append((n * beat_s, tones.shaped(wave, 0.002, 0.01, rate)))
    return normalised(tones.tape(length_s, placed, rate))


def appliance_beep(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """Beeps of a microwave, an oven or a washing machine: any pattern but T3 and T4, or a closing melody."""
    if rng.random() < 0.2:
        return _closing_melody(rng, rate, duration_s)
    beep_s, gap_s, beeps, pause_s = _beep_pattern(rng)
    frequency_hz = float(np.exp(rng.uniform(np.log(1000), np.log(4500))))
    partials = tones.pick(rng, (tones.sine_partials(), tones.square_partials(), [(1.0, 1.0), (2.0, 0.4), (3.0, 0.2)]))
    beep = tones.shaped(tones.tone(frequency_hz, beep_s, partials, rate), rng.uniform(0.001, 0.01), 0.01, rate)
    step_s, placed, start_s = beep_s + gap_s, [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        placed += [(start_s + n * step_s, beep) for n in range(beeps)]
        start_s += beeps * step_s + pause_s
    return tones.tape(duration_s, placed, rate)


def _beep_pattern(rng: np.random.Generator) -> tuple[float, float, int, float]:
    """Length, gap, number and pause of beeps. What could be taken for T3 or T4 is drawn again."""
    while True:
        beep_s, gap_s = np.exp(rng.uniform(np.log(0.05), np.log(1.2), 2))
        beeps, pause_s = int(rng.integers(1, 9)), rng.uniform(0.8, 4.0)
        like_t3 = 0.35 < beep_s < 0.7 and 0.35 < gap_s < 0.7
        like_t4 = beep_s < 0.14 and gap_s < 0.14 and 3 <= beeps <= 5
        if not (like_t3 or like_t4):
            return float(beep_s), float(gap_s), beeps, pause_s


def _closing_melody(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    base_hz, beat_s = rng.uniform(900, 2200), rng.uniform(0.12, 0.35)
    partials = tones.pick(rng, (tones.square_partials(), tones.square_partials(0.25), tones.sine_partials()))
    placed = []
    for n, step in enumerate(rng.choice(MAJOR, int(rng.integers(4, 16)))):
        wave = tones.tone(base_hz * 2 ** (step / 12), beat_s * rng.uniform(0.7, 1.0), partials, rate)
        placed.append((n * beat_s, tones.shaped(wave, 0.003, 0.01, rate)))
    return tones.tape(duration_s, placed, rate)


def alarm_clock(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A digital clock's groups of beeps, a radio clock's buzzer, or a mechanical bell."""
    kind = tones.pick(rng, ("beeps", "bell", "buzzer"), (0.7, 0.15, 0.15))
    if kind == "bell":
        return bell_ringer(rng, rate, duration_s)
    if kind == "buzzer":
        wave = tones.tone(rng.uniform(180, 900), 0.5, tones.square_partials(rng.uniform(0.2, 0.5), 30), rate)
        on_s = rng.uniform(0.25, 0.5)
        return _repeated(
            tones.shaped(wave[: round(on_s * rate)], 0.003, 0.005, rate), [0.0], 2 * on_s, duration_s, rate
        )
    frequency_hz = float(np.exp(rng.uniform(np.log(900), np.log(4200))))
    partials = tones.pick(rng, (tones.sine_partials(), tones.square_partials(), tones.square_partials(0.25)))
    beeps, beep_s = int(rng.choice((1, 2, 4), p=(0.2, 0.15, 0.65))), rng.uniform(0.04, 0.13)
    beep = tones.shaped(tones.tone(frequency_hz, beep_s, partials, rate), 0.002, 0.004, rate)
    step_s = 2 * beep_s
    starts_s = [n * step_s for n in range(beeps)]
    return _repeated(beep, starts_s, beeps * step_s + rng.uniform(0.35, 0.7), duration_s, rate)


def _repeated(beep: Floats, starts_s: list[float], period_s: float, duration_s: float, rate: int) -> Floats:
    """A group of beeps, over and over."""
    periods = range(int(duration_s / period_s) + 1)
    return tones.tape(duration_s, [(n * period_s + start_s, beep) for n in periods for start_s in starts_s], rate)


def notification(rng: np.random.Generator, rate: int, duration_s: float) -> Floats:
    """A device's short figure of one to four plucked or electronic notes, played once."""
    base_hz, beat_s = rng.uniform(400, 2200), rng.uniform(0.06, 0.2)
    steps, plucked = rng.choice(MAJOR, int(rng.integers(1, 5))), rng.random() < 0.7
    placed = []
    for n, step in enumerate(steps):
        note_hz = base_hz * 2 ** (step / 12)
        wave = (
            bar(note_hz, rng.uniform(0.3, 1.2), rng, rate)
            if plucked
            else tones.tone(note_hz, beat_s, [(1, 1.0), (3, 0.2)], rate)
        )
        placed.append((n * beat_s, tones.shaped(wave, 0.003, 0.01, rate)))
    return normalised(tones.tape(min(duration_s, len(steps) * beat_s + 1.2), placed, rate))
