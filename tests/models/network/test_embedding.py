"""The fitted embedding: directions in which one label's clips differ count less."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.network.embedding import describe, whitening
from models.network.network import make_net
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe
from tests.models.sounds import tiny_recipe

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


def test_a_checkpoint_keeps_its_projection_and_its_net_uses_it(tmp_path: Path) -> None:
    trained = fresh(tiny_recipe())
    mels = torch.randn(3, 64, 297).numpy()
    size = describe(trained, mels).shape[1]
    weight, bias = torch.randn(size, size), torch.randn(size)
    checkpoint.save(tmp_path / "it.pt", replace(trained, projection=(weight, bias)))
    (_, _, embedding) = checkpoint.load(tmp_path / "it.pt").answerer()(mels)
    expected = describe(trained, mels) @ weight.numpy().T + bias.numpy()
    np.testing.assert_allclose(embedding, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_without_a_projection_it_is_the_trained_one() -> None:
    (_, _, embedding) = fresh(tiny_recipe()).answerer()(torch.randn(3, 64, 297).numpy())
    assert embedding.shape == (3, 8)
