"""Training examples are true: what is in a clip is in its targets, what nobody could hear is not asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.pipeline.values import Floats
from models.data.bank import Bank, Sound, open_bank
from models.data.mixing import FRAME_STEP, FRAMES, Mixer, _drawn
from models.data.placing import Placed, place
from models.data.recordings import Recording, read_any
from models.training.recipe import Mixing
from tests.models.sounds import PITCHES_HZ, RATE, label_folders, tiny_mixing, tone

CLIP = 48_000
FOLD = 1  # of the recordings in the bank
TALK = ("low", "high", "music", "street_music")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("mixing")
    recordings = read_any(label_folders(folder / "sounds"))
    for label in ("music", "street_music"):
        soundfile.write(folder / f"{label}.wav", tone(PITCHES_HZ[label], 4.0), RATE)
        recordings.append(Recording(folder / f"{label}.wav", (label,), FOLD, "set", label))
    return open_bank(recordings, {"smoke_alarm": 2}, 1, folder / "cache")


def only(count: int, **changes: object) -> Mixing:
    """A mixing whose every clip has so many sounds."""
    shares = tuple(float(n == count) for n in range(4))
    return tiny_mixing(sounds_in_clip=shares, **changes)


def placed(label: str, level: float, start: int = 0, length: int = CLIP, *, whole: bool = True) -> Placed:
    wave = np.full(length, level, np.float32)
    return Placed(label, "set", start, wave, float(20 * np.log10(level)), whole, 0.0)


def unsure(bank: Bank, part: Placed, rest_db: float, others: tuple[Placed, ...] = ()) -> set[str]:
    labels = ("low", "high", "music", "street_music", "smoke_alarm", "co_alarm", "appliance_beep", "rain")
    return Mixer(tiny_mixing(labels=labels), bank, FOLD)._unsure(part, rest_db, [part, *others])


def test_an_example_is_the_same_for_the_same_number(bank: Bank) -> None:
    one, two = Mixer(tiny_mixing(), bank, FOLD), Mixer(tiny_mixing(), bank, FOLD)
    assert np.array_equal(one(7).samples, two(7).samples)
    assert not np.array_equal(one(7).samples, one(8).samples)


def test_every_example_is_a_whole_clip_of_sixteen_bits(bank: Bank) -> None:
    mixer = Mixer(tiny_mixing(padded=0.0), bank, FOLD)
    for example in (mixer(number) for number in range(40)):
        assert example.samples.shape == (CLIP,)
        assert example.samples.dtype == np.float32
        assert np.abs(example.samples).max() <= 1.0
        steps = example.samples * 32768
        assert np.abs(steps - np.rint(steps)).max() < 1e-2


def test_two_sounds_in_a_clip_are_two_labels(bank: Bank) -> None:
    mixer = Mixer(only(2), bank, FOLD)
    assert all(mixer(number).targets.tolist() == [1, 1] for number in range(10))


def test_noise_alone_is_no_label_and_that_is_known(bank: Bank) -> None:
    mixer = Mixer(only(0), bank, FOLD)
    for example in (mixer(number) for number in range(30)):
        assert not example.targets.any()
        assert example.known.all()


def test_all_sounds_of_a_clip_are_of_its_fold_or_synthesised(tmp_path: Path) -> None:
    recordings = []
    for fold, label in ((1, "low"), (2, "high")):
        soundfile.write(tmp_path / f"{label}.wav", tone(PITCHES_HZ[label], 1.0), RATE)
        recordings.append(Recording(tmp_path / f"{label}.wav", (label,), fold, "set", label))
    bank = open_bank(recordings, {"co_alarm": 1}, 1, tmp_path / "cache")
    mixing = tiny_mixing(labels=("low", "high", "co_alarm"))
    mixers = [Mixer(mixing, bank, fold) for fold in (1, 2)]
    heard = [np.any([mixer(number).targets for number in range(60)], axis=0) for mixer in mixers]
    assert [labels.tolist() for labels in heard] == [[True, False, True], [False, True, True]]


def test_the_data_sets_that_gave_something_are_named(bank: Bank) -> None:
    mixer = Mixer(only(1, labels=("low", "music", "smoke_alarm"), underneath=0.0), bank, FOLD)
    named = {(int(example.targets.argmax()), example.datasets) for example in (mixer(number) for number in range(40))}
    assert named == {(0, frozenset({"sounds"})), (1, frozenset({"set"})), (2, frozenset({"synthesised"}))}


def test_frames_lie_where_the_sound_is(bank: Bank) -> None:
    mixer = Mixer(only(1, labels=("low",)), bank, FOLD)
    for example in (mixer(number) for number in range(40)):
        padded = np.pad(example.dry, (0, FRAMES * FRAME_STEP - CLIP)).reshape(FRAMES, FRAME_STEP)
        sounding = np.abs(padded).max(axis=1) > 0
        assert (example.frames[0] <= sounding).all()
        assert sounding.sum() - example.frames[0].sum() <= 1  # less than 20 ms at its end are not counted


def test_a_second_of_sound_is_thirteen_frames(bank: Bank) -> None:
    frames = Mixer(tiny_mixing(), bank, FOLD)._frames([placed("high", 0.1, RATE, RATE)])
    assert np.flatnonzero(frames[1]).tolist() == list(range(12, 25))
    assert not frames[0].any()


@pytest.mark.parametrize(("silence_s", "bridged"), [(0.3, True), (0.8, False)])
def test_a_short_silence_belongs_to_the_sound_and_a_long_one_does_not(
    bank: Bank, silence_s: float, bridged: bool
) -> None:
    part = placed("low", 0.1)
    part.wave[RATE : RATE + int(silence_s * RATE)] = 0
    (sounding, _) = Mixer(tiny_mixing(), bank, FOLD)._frames([part])
    assert bool(sounding.all()) is bridged


def test_talk_or_music_underneath_is_neither_named_nor_asked_about(bank: Bank) -> None:
    mixer = Mixer(only(1, labels=TALK, underneath=1.0), bank, FOLD)
    examples = [example for example in (mixer(number) for number in range(40)) if example.targets[:2].any()]
    assert len(examples) > 5
    assert not any(example.targets[2:].any() or example.known[2:].any() for example in examples)
    assert all("set" in example.datasets for example in examples)


def test_without_anything_underneath_music_is_known_not_to_be_there(bank: Bank) -> None:
    mixer = Mixer(only(1, labels=TALK, underneath=0.0), bank, FOLD)
    examples = [example for example in (mixer(number) for number in range(40)) if example.targets[:2].any()]
    assert all(example.known[2:].all() for example in examples)


def test_sounds_are_heard_at_the_end_in_the_middle_and_at_the_start(bank: Bank) -> None:
    (short,) = [s for s in bank.sounds if s.label == "low" and s.stop - s.start < 50]
    rng = np.random.default_rng(0)
    starts = [place(bank, short, 1.0, (0, CLIP), rng) for _ in range(300)]
    assert any(part.stop == CLIP and len(part.wave) < RATE // 2 for part in starts)
    assert any(part.start == 0 for part in starts)
    assert any(part.start > RATE and part.stop < CLIP - RATE // 2 for part in starts)


def test_nothing_is_placed_outside_what_was_heard(bank: Bank) -> None:
    rng = np.random.default_rng(0)
    for sound in bank.sounds:
        for first in (0, 20_000, CLIP - 4_000):
            for speed in (0.8, 1.0, 1.25):
                part = place(bank, sound, speed, (first, CLIP), rng)
                assert first <= part.start < part.stop <= CLIP


def test_the_front_of_some_clips_is_the_clippers_padding(bank: Bank) -> None:
    example = Mixer(only(1, padded=1.0, peak_dbfs=(-6.0, -3.0)), bank, FOLD)(3)
    front_dbfs = 20 * np.log10(example.samples[:2000].std())
    assert front_dbfs == pytest.approx(-80, abs=1)


def test_a_sound_far_below_the_rest_is_not_asked_about(bank: Bank) -> None:
    assert unsure(bank, placed("low", 0.1), rest_db=12.0) == {"low"}
    assert unsure(bank, placed("low", 0.1), rest_db=3.0) == set()


def test_what_is_noise_itself_is_not_asked_about_in_noise_as_loud(bank: Bank) -> None:
    assert unsure(bank, placed("rain", 0.1), rest_db=4.0) == {"rain"}


def test_the_rest_is_measured_where_the_sound_is(bank: Bank) -> None:
    mixer = Mixer(tiny_mixing(), bank, FOLD)
    soft, loud = placed("low", 0.01, 0, 10_000), placed("high", 0.1, 5_000, 40_000)
    assert mixer._rest_db(0, [soft, loud], [1.0, 1.0], 0.0) == pytest.approx(17.0, abs=0.5)  # half of it, 20 dB over
    assert mixer._rest_db(0, [soft, placed("high", 0.1, 20_000, 20_000)], [1.0, 1.0], 1e-6) < -60


def test_a_glimpse_of_a_longer_sound_is_not_asked_about(bank: Bank) -> None:
    assert unsure(bank, placed("low", 0.1, 0, 2_000, whole=False), -20) == {"low"}
    assert unsure(bank, placed("low", 0.1, 0, 2_000, whole=True), -20) == set()


def test_music_is_not_asked_about_beside_street_music_unless_it_is_there(bank: Bank) -> None:
    assert unsure(bank, placed("street_music", 0.1), -20) == {"music"}
    assert unsure(bank, placed("street_music", 0.1), -20, (placed("music", 0.1),)) == set()


def test_one_short_beep_may_be_any_alarm(bank: Bank) -> None:
    beep = placed("smoke_alarm", 0.1, 0, RATE // 2, whole=False)
    assert unsure(bank, beep, -20) == {"smoke_alarm", "co_alarm", "appliance_beep"}
    assert unsure(bank, placed("smoke_alarm", 0.1), -20) == set()


def test_a_microphone_band_limits_at_random(bank: Bank) -> None:
    mixing = only(1, labels=("high",), unchanged_speed=1.0, padded=0.0, clean=1.0, snr_db=(60.0, 60.0))
    mixers = [Mixer(replace(mixing, seed=seed, responses=20), bank, FOLD) for seed in range(2)]
    above = [_share_above(mixer(number).samples, 6000) for mixer in mixers for number in range(20)]
    assert min(above) < 1e-7 < max(above)


def _share_above(samples: Floats, hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[int(hz * CLIP / RATE) :].sum() / power.sum())


@pytest.mark.parametrize(("balance", "share"), [(0.0, 3 / 4), (1.0, 1 / 2)])
def test_a_recording_that_gave_many_cuts_can_be_drawn_less_often(balance: float, share: float) -> None:
    sounds = [Sound("x", "set", source, FOLD, 0, 50, 0.0) for source in ("many", "many", "many", "one")]
    _, upto = _drawn(sounds, balance)
    assert upto[2] == pytest.approx(share)
    assert upto[3] == pytest.approx(1.0)
