"""A pool is made once, is the same for the same mixing, and tells what each clip was mixed of."""

from pathlib import Path

import numpy as np
import pytest

from listener.types import Floats
from models.data import DataError
from models.mixing import FRAMES
from models.pool import INDEX, Pool, main, open_pool
from models.recipe import Mixing
from tests.models.sounds import listed, random_pool, tiny_mixing

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
    with pytest.raises(DataError):
        open_pool(tiny_mixing(), [tmp_path], cache=tmp_path / "cache", peer=None)
