"""Known and unknown sounds are told apart by measures that have their textbooks' values."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp  # type: ignore[import-untyped]

from models.data.frontend import mel_filters
from models.data.pool import Pool
from models.data.recordings import DataError
from models.evaluation.test_split import Files
from models.experiments.unknown import (
    Described,
    describe,
    false_positives,
    knownness,
    measure,
    nearest,
    read_trained,
    training_clips,
)
from models.network.network import make_net
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.recipe import Mixing, Recipe, Shape

MIXING = Mixing(labels=("low", "high", "odd"))
RECIPE = Recipe(
    mixing=MIXING,
    shape=Shape(pretrained=0, widths=(4, 4, 4, 4), hidden=8, embedding=8),
    leave_out_fold=3,
    leave_out_labels=("odd",),
)


@pytest.fixture
def trained() -> Checkpoint:
    weights = make_net(RECIPE).state_dict()
    return Checkpoint(RECIPE, mel_filters(RECIPE.spec), 1, weights, weights, {})


def test_what_is_far_from_training_and_fires_nothing_is_less_known_by_every_measure() -> None:
    bank = Described(np.tile(np.float32([5, -5]), (12, 1)), np.tile(np.float32([1, 0]), (12, 1)))
    said = Described(np.float32([[5, -5], [-5, -5]]), np.float32([[1, 0], [0, 1]]))
    assert all(known > unknown for known, unknown in knownness(said, bank).values())


def test_energies_are_those_of_the_papers() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (7, 5)).astype(np.float32)
    said = Described(logits, np.ones((7, 1), np.float32))
    measures = knownness(said, Described(np.zeros((10, 5), np.float32), np.ones((10, 1), np.float32)))
    np.testing.assert_allclose(measures["energy"], logsumexp(logits, axis=1), rtol=1e-5)
    np.testing.assert_allclose(measures["joint energy"], np.log1p(np.exp(logits)).sum(axis=1), rtol=1e-5)


def test_the_nearest_are_the_likest() -> None:
    assert nearest(np.float32([[0.1, 0.9, 0.5, 0.7]]), 2) == pytest.approx([0.8])


def test_false_positives_are_counted_where_nineteen_of_twenty_known_pass() -> None:
    known = np.arange(100, dtype=np.float32)
    assert false_positives(known, np.float32([0, 3, 4, 50])) == 0.5


def test_a_file_is_the_mean_of_its_clips() -> None:
    said = np.float32([[1, 0], [3, 0], [0, 5]])
    assert _files(("low", "odd"), (0, 0, 1)).mean(said).tolist() == [[2, 0], [0, 5]]


def test_a_row_has_the_label_that_was_left_out_and_the_sets_that_have_both(trained: Checkpoint) -> None:
    files = _files(("low", "high", "odd"), (0, 1, 2))
    rows = measure(trained, files, describe(trained, np.repeat(files.mels, 4, axis=0)))
    assert all(list(row["labels"]) == ["odd"] and list(row["datasets"]) == ["some"] for row in rows)
    assert all(0 <= row["auroc"] <= 1 for row in rows)


def test_neighbours_are_clips_of_one_sound_that_training_may_have_had(trained: Checkpoint) -> None:
    # A clip of each label and of two, twice: in a fold that training had, and in the one left out.
    targets = np.tile(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], bool), (2, 1))
    mel = np.random.default_rng(0).normal(size=(8, 64, 297)).astype(np.float16)
    nothing = np.zeros((8, 1), np.int8)
    fold = np.repeat(np.uint8([1, 3]), 4)
    pool = Pool(mel, targets, targets, nothing.astype(np.uint8), nothing, fold, nothing.astype(bool), ("some",),
                trained.filters)  # fmt: skip
    expected = describe(trained, mel[:2]).embeddings
    np.testing.assert_allclose(training_clips(trained, pool).embeddings, expected, atol=1e-6)


def test_a_checkpoint_of_every_label_is_refused(tmp_path: Path) -> None:
    recipe = Recipe(mixing=MIXING, shape=RECIPE.shape)
    weights = make_net(recipe).state_dict()
    checkpoint.save(tmp_path / "all.pt", Checkpoint(recipe, mel_filters(recipe.spec), 1, weights, weights, {}))
    with pytest.raises(DataError, match="leave_out_labels"):
        read_trained(tmp_path / "all.pt")


def _files(labels: tuple[str, ...], owner: tuple[int, ...]) -> Files:
    mels = np.random.default_rng(1).normal(size=(len(owner), 64, 297)).astype(np.float16)
    return Files(labels, ("some",) * len(labels), labels, mels, np.array(owner))
