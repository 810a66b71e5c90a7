"""A pool is made once, is the same for the same mixing, and says what each stream is made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.events import FRAMES
from models.data.pool import INDEX, SHARD, Pool, main, open_pool, pool_folder, read_pool, training_recordings
from models.data.recordings import TESTS_ONLY, DataError
from tests.models.sounds import COLUMNS, listed, random_pool, tiny_mixing

LABELS = ("low", "high", "mid")
# Of fold 1 there is a low tone in one data set and a high one in the other, of fold 2 a low one and one between.
LISTING = (("low", "one", 1), ("high", "two", 1), ("low", "one", 2), ("mid", "two", 2))
LOW, HIGH, MID = range(3)
MIXING = tiny_mixing(labels=LABELS, streams=2 * SHARD)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return listed(tmp_path_factory.mktemp("pool") / "sounds", LISTING)


@pytest.fixture(scope="module")
def pool(sounds: Path) -> Pool:
    return open_pool(MIXING, [sounds], cache=sounds.parent / "cache", workers=2)


def sounding(pool: Pool) -> np.ndarray:
    """Which labels sound in each stream."""
    return np.unpackbits(pool.frames, axis=2, count=FRAMES).any(axis=2)


def test_a_pool_has_streams_of_every_fold(pool: Pool) -> None:
    assert pool.mel.shape == (2 * SHARD, 64, COLUMNS)
    assert np.unique(pool.fold).tolist() == [1, 2]
    assert pool.labels == LABELS
    assert len(pool.teacher) == 0


def test_the_sounds_of_a_stream_are_of_its_fold(pool: Pool) -> None:
    there = [sounding(pool)[pool.fold == fold].any(axis=0).tolist() for fold in (1, 2)]
    assert there == [[True, True, False], [True, False, True]]


def test_a_pool_knows_which_data_sets_gave_something_to_a_stream(pool: Pool) -> None:
    assert pool.datasets == ("one", "two")
    silent = np.all(pool.mel == pool.mel[:, :, :1], axis=(1, 2))  # digital silence has no label
    assert np.array_equal(pool.foreign[~silent, 0], sounding(pool)[~silent, LOW])


def test_a_second_opening_makes_nothing(sounds: Path, pool: Pool) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in pool.folder.iterdir()}
    again = open_pool(MIXING, [sounds], cache=sounds.parent / "cache")
    assert {path: path.stat().st_mtime_ns for path in pool.folder.iterdir()} == stamps
    assert np.array_equal(again.frames, pool.frames)


def test_the_same_mixing_is_the_same_pool_with_any_number_of_workers(sounds: Path, pool: Pool, tmp_path: Path) -> None:
    other = open_pool(replace(MIXING, streams=SHARD), [sounds], cache=tmp_path)
    for name in ("mel", "frames", "known", "fold", "free", "foreign"):
        assert np.array_equal(getattr(other, name), getattr(pool, name)[:SHARD]), name


def test_an_interrupted_pool_goes_on_where_it_was(sounds: Path, pool: Pool) -> None:
    frames = np.array(pool.frames)
    kept = np.load(pool.folder / "frames.npy", mmap_mode="r+")
    kept[:] = 0  # what is made again will be there again, the rest will not
    kept.flush()
    (pool.folder / INDEX).unlink()
    (pool.folder / "1.done").unlink()
    again = open_pool(MIXING, [sounds], cache=sounds.parent / "cache")
    made, left = np.array(again.frames[SHARD:]), np.array(again.frames[:SHARD])
    kept[:] = frames
    assert np.array_equal(made, frames[SHARD:])
    assert not left.any()


def test_streams_of_folds_data_sets_and_licences_can_be_left_out() -> None:
    pool = random_pool()
    assert len(pool.without((), (), only_free=False)) == 12
    assert set(pool.fold[pool.without((2, 3), (), only_free=False)]) == {1}
    assert not pool.foreign[pool.without((), ("one", "unheard of"), only_free=False), 0].any()
    assert pool.free[pool.without((), (), only_free=True)].all()


def test_recordings_for_tests_alone_are_not_trained_on(tmp_path: Path) -> None:
    kept = listed(tmp_path / "kept", LISTING)
    tests = listed(tmp_path / "tests", LISTING, licence=TESTS_ONLY[0])
    assert len(training_recordings([kept, tests])) == len(LISTING)


def test_another_listing_is_another_pool(sounds: Path, tmp_path: Path) -> None:
    other = listed(tmp_path / "other", LISTING[:2])
    names = {pool_folder(MIXING, training_recordings([each]), taught=False) for each in (sounds, other)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("labels", "code"), [(("low", "low"), "pool-labels-twice"), (("low", "x"), "pool-label-missing")]
)
def test_labels_that_cannot_be_learned_are_refused(
    labels: tuple[str, ...], code: str, sounds: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as refused:
        open_pool(tiny_mixing(labels=labels), [sounds], cache=tmp_path)
    assert refused.value.code == code


def test_the_command_makes_a_pool(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--data", str(sounds), "--labels", "low", "high", "--streams", "0", "--no-teacher", "--workers", "1"]
    assert main(words) == 0
    (index,) = (tmp_path / "runs" / "cache").glob(f"pool-*/{INDEX}")
    assert read_pool(index.parent).labels == ("low", "high")
