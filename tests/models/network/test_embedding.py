"""The fitted embedding: directions in which one label's clips differ count less."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.recordings import DataError
from models.network.embedding import describe, fitted, reduced, single_sounds, whitening
from models.network.network import make_net
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe
from tests.models.sounds import random_pool, tiny_recipe

LABELS = np.repeat([0, 1], 200)


def described() -> np.ndarray:
    """Two labels a little apart in the first of four directions, and spread widely in the last."""
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((400, 4)) * [0.1, 0.1, 0.1, 3.0]
    return (spread + np.outer(LABELS, [1.0, 0, 0, 0]) + 5).astype(np.float32)


def fresh(recipe: Recipe) -> Checkpoint:
    weights = make_net(recipe).state_dict()
    return Checkpoint(recipe, np.zeros((64, 257), np.float32), 1, weights, weights, {})


def test_within_labels_no_direction_outweighs_the_others_by_much() -> None:
    weight, bias = whitening(described(), LABELS)
    after = described() @ weight.numpy().T + bias.numpy()
    within = np.concatenate([after[n == LABELS] - after[n == LABELS].mean(axis=0) for n in (0, 1)])
    assert np.linalg.eigvalsh(np.cov(within.T)).max() < 2
    assert abs(after.mean(axis=0)).max() < 1e-3


def test_one_example_of_a_label_tells_more_than_before() -> None:
    def share_right(points: np.ndarray) -> float:
        """Of all points, asked whether they are liker to an example of their own label than to one of the other."""
        unit = points / np.linalg.norm(points, axis=1, keepdims=True)
        own, other = np.roll(unit, 1, axis=0), np.roll(unit, 200, axis=0)
        return float(((unit * own).sum(axis=1) > (unit * other).sum(axis=1)).mean())

    weight, bias = whitening(described(), LABELS)
    after = described() @ weight.numpy().T + bias.numpy()
    assert share_right(after) > share_right(described() - described().mean(axis=0)) + 0.1


def test_a_checkpoint_keeps_its_projection_and_its_network_uses_it(tmp_path: Path) -> None:
    trained, pool = fresh(tiny_recipe()), random_pool()
    streams, chunks = np.array([0, 2]), np.array([20, 50])
    before = describe(trained, pool.mel, streams, chunks)
    size = before.shape[1]
    weight, bias = torch.randn(size, size), torch.randn(size)
    checkpoint.save(tmp_path / "it.pt", replace(trained, projection=(weight, bias)))
    with torch.inference_mode():
        answers = checkpoint.load(tmp_path / "it.pt").net()(torch.from_numpy(pool.mel[streams].astype(np.float32)))
    embedding = answers.embedding[[0, 1], :, [20, 50]].numpy()
    expected = before @ weight.numpy().T + bias.numpy()
    np.testing.assert_allclose(embedding, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4)


def test_windows_of_one_label_are_found_with_their_label() -> None:
    pool = random_pool()
    pool.known[:] = 255
    streams, chunks, labels = single_sounds(fresh(tiny_recipe()), pool, 5)
    assert len(streams) == 5
    assert np.array_equal(labels, streams % 2)
    assert (chunks >= 19).all()


def test_a_fitted_checkpoint_has_a_projection_and_examples_of_unit_length() -> None:
    pool = random_pool()
    pool.known[:] = 255
    trained = fitted(fresh(tiny_recipe()), pool)
    assert trained.projection is not None
    assert trained.examples is not None
    np.testing.assert_allclose(trained.examples.norm(dim=1), 1, atol=1e-5)


def test_fewer_directions_keep_what_is_alike_alike() -> None:
    weight, bias = whitening(described(), LABELS)
    less, offset = reduced(weight, bias, described(), 3)
    whole, part = (torch.from_numpy(described()) @ w.T + b for w, b in ((weight, bias), (less, offset)))
    assert part.shape[1] == 3
    likeness = [torch.nn.functional.cosine_similarity(each[:50], each[50:100]) for each in (whole, part)]
    assert float((likeness[0] - likeness[1]).abs().mean()) < 0.2


def test_a_pool_without_windows_of_one_label_is_refused() -> None:
    pool = random_pool()
    pool.frames[:] = 0
    with pytest.raises(DataError) as refused:
        fitted(fresh(tiny_recipe()), pool)
    assert refused.value.code == "train-embedding"
