"""Variants are recipes that can be, and their files are scored from the beginning to the end."""

from pathlib import Path

import numpy as np
import pytest

from models.data.frontend import mel_filters
from models.data.recordings import read_all
from models.experiments import VARIANTS, figures, file_scores
from models.network.network import make_net
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe
from models.training.settings import with_settings
from tests.models.sounds import listed, tiny_recipe


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_recipe(name: str) -> None:
    assert (with_settings(Recipe(), VARIANTS[name]) == Recipe()) is (name == "base")


def untrained() -> Checkpoint:
    recipe = tiny_recipe(leave_out_fold=2)
    weights = make_net(recipe).state_dict()
    return Checkpoint(recipe, mel_filters(recipe.spec), 4, weights, weights, {})


def test_a_file_has_one_score_for_each_label(tmp_path: Path) -> None:
    files = read_all([listed(tmp_path / "sounds", (("low", "one", 1), ("high", "one", 2)))])
    scores = np.stack(list(file_scores(untrained(), files)))
    assert scores.shape == (2, 2)
    assert ((scores > 0) & (scores < 1)).all()


def test_figures_are_of_the_fold_left_out(tmp_path: Path) -> None:
    sounds = listed(tmp_path / "sounds", (("low", "one", 1), ("high", "two", 2), ("low", "two", 2)))
    found = figures(untrained(), [sounds])
    assert set(found) == {"million_multiply_adds_a_second", "two"}
    assert found["two"] in (0.0, 0.5, 1.0)
