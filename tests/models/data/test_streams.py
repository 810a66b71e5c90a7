"""Streams are true: a sound in a stream is in its targets, and labels that nobody could tell are masked."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.bank import Bank, Sound, open_bank
from models.data.events import FRAMES, SAMPLES, PlacedSound
from models.data.mixing import Mixing
from models.data.recordings import Recording
from models.data.streams import StreamMixer, _shares, make_acoustics
from tests.models.sounds import PITCHES_HZ, RATE, tiny_mixing, tone

LABELS = ("low", "high", "speech", "smoke_alarm", "alarm", "rain", "thunder")
FOLD = 1


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("streams")
    recordings = []
    for label, fold, licence in (("low", 1, "CC0"), ("high", 1, "CC BY-NC"), ("speech", 1, "CC0"), ("low", 2, "CC0")):
        path = folder / f"{label}{fold}.wav"
        soundfile.write(path, tone(PITCHES_HZ[label], 2.0), RATE)
        recordings.append(Recording(path, (label,), fold, f"set{fold}", path.name, licence))
    return open_bank(recordings, {"smoke_alarm": 2}, 1, folder / "cache")


def mixer(bank: Bank, tmp: Path = Path("nowhere"), fold: int = FOLD, **changes: object) -> StreamMixer:
    mixing = of(**changes)
    return StreamMixer(mixing, bank, fold, make_acoustics(mixing, tmp))


def of(**changes: object) -> Mixing:
    return tiny_mixing(**{"labels": LABELS, "bed": 0.0, "distractors": 0.0, **changes})


def only(count: int) -> tuple[float, ...]:
    return tuple(float(n == count) for n in range(6))


def event(label: str, level: float, start: int = 0, length: int = SAMPLES) -> PlacedSound:
    return PlacedSound(Sound(label, "set", "a", 1, 0, 1, 0.0), start, np.full(length, level, np.float32), 0.0)


def known(bank: Bank, label: str, events: list[PlacedSound], noise_power: float = 1e-9) -> np.ndarray:
    """In which frames a label is known."""
    _, flags = mixer(bank)._targets(events, [1.0] * len(events), noise_power)
    return flags[LABELS.index(label)]


def test_a_stream_is_the_same_for_the_same_number(bank: Bank) -> None:
    one, other = mixer(bank), mixer(bank)
    assert np.array_equal(one(7).samples, other(7).samples)
    assert not np.array_equal(one(7).samples, one(8).samples)


def test_every_stream_is_whole_and_of_sixteen_bits(bank: Bank) -> None:
    make = mixer(bank)
    for stream in (make(number) for number in range(30)):
        assert (stream.samples.shape, stream.samples.dtype) == ((SAMPLES,), np.float32)
        steps = stream.samples * 32768
        assert np.abs(steps - np.rint(steps)).max() < 1e-2
        assert np.abs(stream.samples).max() <= 1.0


def test_noise_alone_has_no_label_and_that_is_known(bank: Bank) -> None:
    make = mixer(bank, events=only(0))
    for stream in (make(number) for number in range(20)):
        assert not stream.frames.any()
        assert stream.known.all()


def test_the_sounds_of_a_stream_are_of_its_fold_or_synthesised(bank: Bank) -> None:
    make = mixer(bank, fold=2, events=only(2), free=0.0)
    sounding = np.any([make(number).frames.any(axis=1) for number in range(40)], axis=0)
    assert [label for label, there in zip(LABELS, sounding, strict=True) if there] == ["low", "smoke_alarm", "alarm"]


def test_a_free_stream_has_no_recording_that_is_not_free(bank: Bank) -> None:
    for free in (1.0, 0.0):
        make = mixer(bank, events=only(2), free=free)
        streams = [make(number) for number in range(40)]
        assert {stream.free for stream in streams} == {bool(free)}
        assert any(stream.frames[LABELS.index("high")].any() for stream in streams) is not bool(free)


def test_a_stream_names_the_data_sets_of_its_sounds(bank: Bank) -> None:
    make = mixer(bank, events=only(1), free=1.0)
    named = {frozenset(np.flatnonzero(s.frames.any(axis=1))): s.datasets for s in (make(n) for n in range(40))}
    assert named[frozenset({LABELS.index("low")})] == {"set1"}
    assert named[frozenset({3, 4})] == {"synthesised"}


def test_talk_throughout_is_named_only_where_it_can_be_told(bank: Bank) -> None:
    row = LABELS.index("speech")
    for level_db, is_known in ((0.0, True), (-25.0, False)):
        make = mixer(bank, events=only(0), bed=1.0, bed_db=(level_db, level_db), clean=1.0)
        streams = [stream for stream in (make(number) for number in range(10)) if stream.frames.any()]
        assert len(streams) > 5
        assert all(bool(stream.known[row].all()) is is_known for stream in streams)


def test_a_sound_far_below_the_rest_is_masked(bank: Bank) -> None:
    loud, soft = event("high", 1.0), event("low", 0.2)
    assert not known(bank, "low", [soft, loud]).any()
    assert known(bank, "low", [event("low", 0.5), loud]).all()


def test_noise_like_sounds_are_masked_sooner_and_alarms_later(bank: Bank) -> None:
    assert not known(bank, "rain", [event("rain", 1.0)], noise_power=2.0).any()
    assert known(bank, "low", [event("low", 1.0)], noise_power=2.0).all()
    assert known(bank, "smoke_alarm", [event("smoke_alarm", 1.0)], noise_power=20.0).all()
    assert not known(bank, "low", [event("low", 1.0)], noise_power=20.0).any()


def test_a_sound_is_measured_against_the_rest_where_it_sounds(bank: Bank) -> None:
    soft, loud = event("low", 0.01, 0, 20_000), event("high", 1.0, 60_000, 40_000)
    assert known(bank, "low", [soft, loud]).all()


def test_an_akin_label_is_not_asked_for_around_a_sound_unless_it_sounds_too(bank: Bank) -> None:
    thunder = event("thunder", 1.0, 40_000, 20_000)
    rain = known(bank, "rain", [thunder])
    assert not rain[30:46].any()
    assert rain[:24].all()
    assert rain[60:].all()
    assert known(bank, "rain", [thunder, event("rain", 1.0)]).all()


def test_a_smoke_alarm_is_an_alarm_in_the_same_frames(bank: Bank) -> None:
    frames, _ = mixer(bank)._targets([event("smoke_alarm", 1.0, 0, 51_200)], [1.0], 1e-9)
    assert np.array_equal(frames[LABELS.index("smoke_alarm")], frames[LABELS.index("alarm")])
    assert frames[LABELS.index("alarm")].sum() == 40


def test_a_microphone_band_limits_at_random(bank: Bank) -> None:
    make = mixer(bank, events=only(0), responses=30, peak_dbfs=(-6.0, -6.0))
    above = [_share_above(make(number).samples, 7000) for number in range(60)]
    audible = [share for share in above if not np.isnan(share)]
    assert min(audible) < 1e-4
    assert max(audible) > 1e-2


def _share_above(samples: np.ndarray, hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[int(hz * SAMPLES / RATE) :].sum() / power.sum()) if power.sum() else float("nan")


@pytest.mark.parametrize(("balance", "share"), [(0.0, 3 / 4), (1.0, 1 / 2)])
def test_a_recording_that_gave_many_cuts_can_be_drawn_less_often(balance: float, share: float) -> None:
    sounds = [Sound("x", "set", source, FOLD, 0, 50, 0.0) for source in ("many", "many", "many", "one")]
    _, upto = _shares(sounds, balance)
    assert upto[2] == pytest.approx(share)
    assert upto[3] == pytest.approx(1.0)


def test_the_more_recordings_a_label_has_the_less_is_synthesised() -> None:
    def synthesised(recordings: int) -> float:
        sounds = [Sound("x", "set", str(n), FOLD, 0, 50, 0.0) for n in range(recordings)]
        made = [Sound("x", "synthesised", str(n), 0, 0, 450, 0.0) for n in range(300)]
        return 1 - float(_shares([*sounds, *made], 0.5)[1][recordings - 1])

    assert synthesised(1) > 0.9
    assert synthesised(20) < 0.4


def test_targets_cover_the_stream(bank: Bank) -> None:
    stream = mixer(bank)(0)
    assert stream.frames.shape == stream.known.shape == (len(LABELS), FRAMES)
