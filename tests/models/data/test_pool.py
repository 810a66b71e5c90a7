"""A pool is made once, is the same for the same mixing, and tells what each clip was mixed of."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.pipeline.values import Floats
from models.data.mixing import FRAMES
from models.data.pool import INDEX, Pool, main, open_pool, pool_folder
from models.data.recordings import DataError, read_any
from models.training.recipe import Mixing
from tests.models.sounds import RATE, listed, random_pool, tiny_mixing

LABELS = ("low", "high", "mid")
# Of fold 1 there is a low tone in one data set and a high one in the other, of fold 2 a low one and one between.
LISTING = (("low", "one", 1), ("high", "two", 1), ("low", "one", 2), ("mid", "two", 2))
LOW, HIGH, MID = range(3)


def mixing(clips: int) -> Mixing:
    return tiny_mixing(labels=LABELS, clips=clips)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listed(tmp_path_factory.mktemp("pool") / "sounds", LISTING)


@pytest.fixture(scope="module")
def pool(sounds: Path) -> Pool:
    return open_pool(mixing(1000), [sounds], cache=sounds.parent / "cache", peer=None, workers=2)


def folder_of(sounds: Path) -> Path:
    (index,) = (sounds.parent / "cache").glob(f"pool-*/{INDEX}")
    return index.parent


def frames(pool: Pool) -> np.ndarray:
    return np.unpackbits(pool.frames, axis=2, count=FRAMES).astype(bool)


def test_a_pool_has_clips_of_every_fold(pool: Pool) -> None:
    assert pool.mel.shape == (1000, 64, 297)
    assert np.unique(pool.fold).tolist() == [1, 2]


def test_the_sounds_of_a_clip_are_of_its_fold(pool: Pool) -> None:
    heard = [pool.targets[pool.fold == fold].any(axis=0).tolist() for fold in (1, 2)]
    assert heard == [[True, True, False], [True, False, True]]


def test_what_gave_something_to_a_clip_is_known(pool: Pool) -> None:
    assert pool.datasets == ("one", "two")
    assert np.array_equal(pool.foreign[:, 0], pool.targets[:, LOW])
    assert np.array_equal(pool.foreign[:, 1], pool.targets[:, [HIGH, MID]].any(axis=1))


def test_a_label_has_frames_where_it_is_in_the_clip_and_only_there(pool: Pool) -> None:
    assert np.array_equal(frames(pool).any(axis=2), pool.targets)


def test_a_tone_stands_out_in_the_frames_that_are_said_to_have_it(pool: Pool) -> None:
    alone = np.flatnonzero(pool.targets[:, LOW] & (pool.targets.sum(axis=1) == 1) & pool.known[:, LOW])
    louder = [_beside_the_rest(pool.mel[n].astype(np.float32), frames(pool)[n, LOW]) for n in alone]
    assert np.nanmean(np.array(louder) > 0) > 0.95


def _beside_the_rest(mel: Floats, sounding: np.ndarray) -> float:
    """How much louder its frames are than the others, in the row that is loudest; NaN where it sounds throughout."""
    columns = np.repeat(sounding, 8)[: mel.shape[1]]
    row = mel[:, columns].mean(axis=1).argmax()
    return float(mel[row, columns].mean() - mel[row, ~columns].mean()) if not columns.all() else float("nan")


def test_without_a_teacher_it_heard_no_clip(pool: Pool) -> None:
    assert len(pool.teacher) == 0


def test_a_second_opening_makes_nothing(sounds: Path, pool: Pool) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in folder_of(sounds).iterdir()}
    again = open_pool(mixing(1000), [sounds], cache=sounds.parent / "cache", peer=None)
    assert {path: path.stat().st_mtime_ns for path in folder_of(sounds).iterdir()} == stamps
    assert np.array_equal(again.targets, pool.targets)


def test_the_same_mixing_is_the_same_pool_whoever_makes_it(sounds: Path, pool: Pool, tmp_path: Path) -> None:
    elsewhere = open_pool(mixing(500), [sounds], cache=tmp_path, peer=None, workers=1)
    for name in ("mel", "targets", "known", "frames", "fold", "foreign"):
        assert np.array_equal(getattr(elsewhere, name), getattr(pool, name)[:500]), name


def test_an_interrupted_pool_goes_on_where_it_was(sounds: Path, pool: Pool) -> None:
    folder, targets = folder_of(sounds), np.array(pool.targets)
    kept = np.load(folder / "targets.npy", mmap_mode="r+")
    kept[:] = False  # what is done again will be there again, what is kept will not
    kept.flush()
    (folder / INDEX).unlink()
    (folder / "1.done").unlink()
    again = open_pool(mixing(1000), [sounds], cache=sounds.parent / "cache", peer=None)
    made, left = np.array(again.targets[500:]), np.array(again.targets[:500])
    kept[:] = targets
    assert np.array_equal(made, targets[500:])
    assert not left.any()


def test_clips_of_a_fold_can_be_left_out(pool: Pool) -> None:
    assert len(pool.without((), (), ())) == 1000
    assert set(pool.fold[pool.without((2,), (), ())]) == {1}


def test_clips_of_a_data_set_can_be_left_out(pool: Pool) -> None:
    left = pool.without((), ("one", "unheard of"), ())
    assert not pool.targets[left, LOW].any()
    assert pool.targets[left, HIGH].any()


def test_clips_of_a_label_can_be_left_out(pool: Pool) -> None:
    left = pool.without((1,), (), (LOW,))
    assert pool.targets[left].any(axis=0).tolist() == [False, False, True]


def test_clips_of_synthesised_sounds_alone_are_of_no_fold_and_stay() -> None:
    pool = random_pool()
    pool.fold[:] = 0
    assert len(pool.without((), (), ())) == len(pool.without((1,), (), ())) == len(pool.fold)


def test_no_recordings_are_one_line_and_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--clips", "500"]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_makes_no_pool(tmp_path: Path) -> None:
    (tmp_path / "low").mkdir()
    (tmp_path / "low" / "bad.wav").write_bytes(b"not audio")
    with pytest.raises(DataError, match="could be read"):
        open_pool(tiny_mixing(labels=("low",)), [tmp_path], cache=tmp_path / "cache", peer=None)


def test_a_corrected_fold_is_another_pool(tmp_path: Path) -> None:
    sounds = listed(tmp_path / "sounds", (("low", "one", 1), ("high", "one", 1)))
    listing = sounds / "metadata.csv"
    before = open_pool(tiny_mixing(), [sounds], cache=tmp_path / "cache", workers=2)
    listing.write_text(listing.read_text().replace("low,1", "low,2").replace("high,1", "high,2"))
    after = open_pool(tiny_mixing(), [sounds], cache=tmp_path / "cache", workers=2)
    assert (set(before.fold), set(after.fold)) == ({1}, {2})


@pytest.mark.parametrize("labels", [("low", "hgih"), ("hgih",), ("low", "hgih", "siren")])
def test_a_label_without_a_sound_is_named(labels: tuple[str, ...], sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^hgih: no recording in {sounds}; there are high, low, mid"):
        open_pool(tiny_mixing(labels=labels, siren_variants=1), [sounds], cache=tmp_path)


def test_the_shipped_labels_are_not_sought_in_sounds_of_ones_own(
    sounds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(sounds), "--clips", "500"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"give --labels: {sounds} has high, low, mid.")
    assert "it lacks air_conditioner" in said


def test_a_label_that_is_given_twice_is_refused(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--labels has low more than once"):
        open_pool(tiny_mixing(labels=("low", "high", "low")), [sounds], cache=tmp_path)


def test_a_label_whose_recordings_are_all_silent_is_named(tmp_path: Path) -> None:
    sounds = listed(tmp_path / "sounds", (("low", "one", 1), ("high", "one", 1)))
    soundfile.write(sounds / "high-one-1.wav", np.zeros(RATE), RATE)
    with pytest.raises(DataError, match=r"^high: no recording can be decoded, or all are silent"):
        open_pool(tiny_mixing(), [sounds], cache=tmp_path / "cache")


def test_what_is_synthesised_needs_no_recording(sounds: Path, tmp_path: Path) -> None:
    labels = ("low", "doorbell", "siren")
    pool = open_pool(tiny_mixing(labels=labels, variants=1, siren_variants=1), [sounds], cache=tmp_path, workers=2)
    assert pool.targets.any(axis=0).all()


def test_what_lies_underneath_is_left_out_with_its_label_and_nothing_else(tmp_path: Path) -> None:
    sounds = listed(tmp_path / "sounds", (("low", "tones", 1), ("music", "band", 1), ("street_music", "street", 1)))
    mixing = tiny_mixing(labels=("low", "music", "street_music"), underneath=1.0)
    pool = open_pool(mixing, [sounds], cache=tmp_path / "cache", workers=2)
    left, band = pool.without((), (), (1,)), pool.datasets.index("band")
    without_band = np.flatnonzero(~pool.foreign[:, band])
    assert (pool.foreign[:, band] & ~pool.targets[:, 1]).any()
    assert left.tolist() == without_band.tolist()
    assert pool.targets[left, 2].any()


def test_a_teacher_that_is_not_here_is_missed_before_anything_is_made(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.tflite.*teacher_loss"):
        open_pool(mixing(500), [sounds], cache=tmp_path / "cache", peer=tmp_path / "gone.tflite")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_a_pool_that_the_teacher_has_heard_needs_no_teacher(sounds: Path, pool: Pool, tmp_path: Path) -> None:
    heard = pool_folder(mixing(1000), read_any(sounds), taught=True, cache=tmp_path)
    shutil.copytree(folder_of(sounds), heard)
    again = open_pool(mixing(1000), [sounds], cache=tmp_path, peer=tmp_path / "gone.tflite")
    assert np.array_equal(again.targets, pool.targets)
