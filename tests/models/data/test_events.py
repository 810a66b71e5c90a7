"""Events lie within the stream, and their frames where they sound."""

import numpy as np
import pytest
import soundfile

from models.data.bank import Bank, Sound, open_bank
from models.data.events import (
    BRIDGED_ALARM_S,
    BRIDGED_S,
    FRAME_SAMPLES,
    FRAMES,
    QUIET_DB,
    SAMPLES,
    PlacedSound,
    frame_power,
    frames_of,
    place,
)
from models.data.recordings import Recording, read_any
from tests.models.sounds import RATE, label_folders, tone

SOUND = Sound("low", "set", "a", 1, 0, 50, 0.0)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("events")
    quiet = np.concatenate([tone(500, 0.5), np.float32(1e-3) * tone(500, 12.0)])
    soundfile.write(folder / "quiet.wav", quiet, RATE)
    recordings = [*read_any(label_folders(folder / "sounds")), Recording(folder / "quiet.wav", ("q",), 1, "set", "q")]
    return open_bank(recordings, {}, 1, folder / "cache")


def event(*parts: tuple[float, float], start: int = 0) -> PlacedSound:
    """An event of parts (seconds, level)."""
    wave = np.concatenate([np.full(round(seconds * RATE), level, np.float32) for seconds, level in parts])
    return PlacedSound(SOUND, start, wave, 0.0)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_every_event_lies_within_the_stream(bank: Bank, speed: float) -> None:
    rng = np.random.default_rng(0)
    for sound in bank.sounds:
        for placed in (place(bank, sound, speed, rng) for _ in range(100)):
            assert 0 <= placed.start < placed.stop <= SAMPLES


def test_events_are_cut_at_either_end_and_whole_between(bank: Bank) -> None:
    short = next(sound for sound in bank.sounds if sound.label == "low" and sound.stop - sound.start < 50)
    rng = np.random.default_rng(0)
    placed = [place(bank, short, 1.0, rng) for _ in range(400)]
    assert any(each.start == 0 for each in placed)
    assert any(each.stop == SAMPLES for each in placed)
    assert any(each.start > 0 and len(each.wave) == 9_600 for each in placed)


def test_an_event_can_be_placed_at_a_time(bank: Bank) -> None:
    assert place(bank, bank.sounds[0], 1.0, np.random.default_rng(0), 20_000).start == 20_000


def test_a_part_that_is_nearly_silent_is_not_raised_to_the_level_of_the_sound(bank: Bank) -> None:
    quiet = next(sound for sound in bank.sounds if sound.label == "q")
    whole = Sound("q", "set", "q", 1, quiet.start + 30, quiet.start + 600, quiet.peak_db)
    placed = place(bank, whole, 1.0, np.random.default_rng(0))
    assert placed.level_db == pytest.approx(quiet.peak_db - QUIET_DB)


def test_a_second_of_sound_is_thirteen_frames() -> None:
    assert np.flatnonzero(frames_of(event((1.0, 0.1), start=RATE), BRIDGED_S)).tolist() == list(range(12, 25))


@pytest.mark.parametrize(("silence_s", "bridge_s", "whole"), [
    (0.4, BRIDGED_S, True), (0.8, BRIDGED_S, False), (1.5, BRIDGED_ALARM_S, True), (5.0, BRIDGED_ALARM_S, False),
])  # fmt: skip
def test_a_short_silence_belongs_to_the_sound(silence_s: float, bridge_s: float, whole: bool) -> None:
    parts = ((0.5, 0.1), (silence_s, 0.0), (0.5, 0.1))
    frames = frames_of(event(*parts), bridge_s)[: int((1 + silence_s) * RATE / FRAME_SAMPLES)]
    assert bool(frames.all()) is whole


def test_silence_has_no_frames() -> None:
    assert not frames_of(event((1.0, 0.0)), BRIDGED_S).any()


def test_the_power_of_a_frame_is_that_of_its_samples() -> None:
    power = frame_power(event((0.04, 0.5), start=FRAME_SAMPLES))
    assert power.shape == (FRAMES,)
    assert power[1] == pytest.approx(0.125)
    assert power.sum() == pytest.approx(0.125)
