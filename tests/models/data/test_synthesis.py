"""The alarms are what the standards say; everything else is varied, whole, and the same for the same seed."""

import numpy as np
import pytest

from listener.pipeline.values import Floats
from models.data.synthesis import GENERATORS, STANDARD, home, synthesise
from models.data.synthesis.alarms import T3, T4, TOLERANCE, alarm, piezo

RATE = 16_000
CLOCK = 0.02  # seconds: how finely on and off can be told from a waveform


def pulses(wave: Floats) -> list[tuple[float, float]]:
    """Start and length in seconds of what sounds in a wave that pauses."""
    hop = RATE // 200
    loud = np.abs(wave[: len(wave) // hop * hop]).reshape(-1, hop).max(axis=1) > 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [(float(a) * hop / RATE, float(b - a) * hop / RATE) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("seed", range(12))
def test_t3_sounds_three_half_seconds_every_four_seconds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = pulses(alarm(T3, piezo(rng), rng, RATE, 20.0))[1:-1]
    lengths = np.array([length for _, length in whole])
    steps = np.diff([start for start, _ in whole])
    assert np.all(np.abs(lengths - 0.5) < 0.5 * TOLERANCE + CLOCK)
    short, long = steps[steps < 1.5], steps[steps >= 1.5]
    assert np.all(np.abs(short - 1.0) < TOLERANCE + CLOCK)
    assert np.all(np.abs(long - 2.0) < 2.0 * TOLERANCE + CLOCK)
    assert np.all(np.diff(np.flatnonzero(steps >= 1.5)) == 3)


@pytest.mark.parametrize("seed", range(12))
def test_a_co_alarm_sounds_four_tenths_and_then_waits_five_seconds(seed: int) -> None:
    whole = pulses(synthesise("co_alarm", seed, 30.0))[1:-1]
    steps = np.diff([start for start, _ in whole])
    assert np.all(np.abs(np.array([length for _, length in whole]) - 0.1) < 0.1 * TOLERANCE + CLOCK)
    pauses = np.flatnonzero(steps > 1.0)
    assert np.all(np.abs(steps[pauses] - 5.1) < 5.1 * TOLERANCE + CLOCK)
    assert np.all(np.diff(pauses) == 4)


def test_the_patterns_have_the_periods_of_their_standards() -> None:
    assert T3.period_s == pytest.approx(4.0)
    assert T4.period_s == pytest.approx(5.7)


def test_smoke_alarms_have_many_rhythms() -> None:
    shares = [float((np.abs(synthesise("smoke_alarm", seed, 12.0)) > 0.05).mean()) for seed in range(80)]
    assert min(shares) < 0.35  # T3 and groups pause
    assert max(shares) > 0.8  # sweeps and steady tones do not
    counts = [len(pulses(synthesise("smoke_alarm", seed, 12.0))) for seed in range(80)]
    assert min(counts) < 12
    assert max(counts) > 40


def test_most_smoke_alarms_are_between_2_and_4_khz_and_some_at_520_hz() -> None:
    spectra = [np.abs(np.fft.rfft(synthesise("smoke_alarm", seed, 4.0))) for seed in range(80)]
    peaks_hz = np.array([spectrum.argmax() / 4.0 for spectrum in spectra])
    assert ((peaks_hz > 1700) & (peaks_hz < 4200)).mean() > 0.75
    assert ((peaks_hz > 470) & (peaks_hz < 570)).any()


def test_a_low_battery_chirp_is_one_or_two_short_sounds() -> None:
    for seed in range(20):
        found = pulses(synthesise("low_battery_chirp", seed, 9.0))
        assert 1 <= len(found) <= 2
        assert all(length < 0.25 for _, length in found)


def test_no_appliance_beeps_like_an_alarm() -> None:
    rng = np.random.default_rng(0)
    for beep_s, gap_s, beeps, _ in (home._beep_pattern(rng) for _ in range(3000)):
        assert not (0.45 < beep_s < 0.55 and 0.45 < gap_s < 0.55)
        assert not (beep_s < 0.12 and gap_s < 0.12 and beeps == 4)


@pytest.mark.parametrize("label", GENERATORS)
def test_a_sound_is_the_same_for_the_same_seed_and_another_for_another(label: str) -> None:
    first, again, other = (synthesise(label, seed, 3.0) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("label", GENERATORS)
def test_sounds_are_audible_whole_and_within_full_scale(label: str) -> None:
    for seed in range(10):
        wave = synthesise(label, seed, 6.0)
        assert wave.dtype == np.float32
        assert 0 < len(wave) <= 96_000
        assert 0.2 < np.abs(wave).max() <= 1.0


def test_every_standard_label_can_be_made() -> None:
    assert set(STANDARD) <= set(GENERATORS)
