"""Devices change streams without changing their length or making them infinite."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data import microphone
from models.data.rooms import hum, recorded_responses, room_noise, room_response
from tests.models.sounds import RATE, tone

COUNT = 32_000


@pytest.fixture
def wave() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.01, COUNT).astype(np.float32)
    return noise + np.concatenate([np.zeros(COUNT // 2, np.float32), tone(1000, 1.0)])


@pytest.mark.parametrize("change", [change for _, change in microphone.CHANGES], ids=lambda change: change.__name__)
def test_every_change_keeps_length_and_kind_and_changes_something(change: microphone.Change, wave: np.ndarray) -> None:
    before = wave.copy()
    for seed in range(3):
        changed = change(np.random.default_rng(seed), wave)
        assert (changed.shape, changed.dtype) == ((COUNT,), np.float32)
        assert np.isfinite(changed).all()
        assert not np.array_equal(changed, before)
    assert np.array_equal(wave, before)


def test_a_gain_control_raises_what_is_quiet(wave: np.ndarray) -> None:
    changed = microphone.gain_control(np.random.default_rng(0), wave)
    assert _ratio(changed) < 0.8 * _ratio(wave)


def test_noise_suppression_lowers_the_floor_more_than_the_sound(wave: np.ndarray) -> None:
    changed = microphone.suppress_noise(np.random.default_rng(0), wave)
    assert _ratio(changed) > 1.5 * _ratio(wave)


def _ratio(wave: np.ndarray) -> float:
    """RMS of the second half, which has the tone, beside that of the first."""
    return float(wave[COUNT // 2 :].std() / wave[: COUNT // 2].std())


def test_a_clipped_wave_is_flatter(wave: np.ndarray) -> None:
    assert microphone.clipped(np.random.default_rng(1), wave).std() > wave.std()


def test_a_delivered_stream_has_sixteen_bits(wave: np.ndarray) -> None:
    for seed in range(5):
        steps = 32768 * microphone.heard(np.random.default_rng(seed), wave)
        assert np.abs(steps - np.rint(steps)).max() < 1e-2


def test_lost_blocks_are_silent_or_repeat_what_came_before(wave: np.ndarray) -> None:
    for seed in range(6):
        changed = microphone.torn(np.random.default_rng(seed), wave)
        assert 0.2 < np.mean(changed == wave) < 1.0


def test_room_noise_and_hum_have_unit_power() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        assert np.square(room_noise(rng, COUNT)).mean() == pytest.approx(1.0, abs=0.01)
        assert np.square(hum(rng, COUNT)).mean() == pytest.approx(1.0, abs=0.01)


def test_room_responses_have_unit_energy() -> None:
    for seed in range(5):
        assert np.square(room_response(np.random.default_rng(seed))).sum() == pytest.approx(1.0, abs=1e-3)


def test_a_recorded_response_begins_with_its_direct_sound_and_comes_in_three_sizes(tmp_path: Path) -> None:
    response = np.zeros(RATE, np.float32)
    response[1000], response[2000:9000] = 0.9, 0.05
    soundfile.write(tmp_path / "hall.wav", response, RATE)
    found = recorded_responses(tmp_path)
    assert len(found) == 3
    assert all(int(np.abs(each).argmax()) == 0 for each in found)
    tails = [float(np.square(each[4000:]).sum()) for each in found]
    assert tails == sorted(tails, reverse=True)
