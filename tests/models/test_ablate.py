"""Every variant is a recipe that can be built, and a run that was made is not made again."""

from pathlib import Path

import pytest

from models.ablate import BASE, VARIANTS, _Table
from models.network import make_net, multiply_adds
from models.recipe import Recipe
from models.settings import with_settings


def variant(name: str) -> Recipe:
    return with_settings(Recipe(), [f"{key}={value}" for key, value in (BASE | VARIANTS[name]).items()])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_a_network_and_only_the_base_is_the_base(name: str) -> None:
    recipe = variant(name)
    assert multiply_adds(make_net(recipe), recipe.spec.mels, recipe.spec.columns) > 0
    assert (recipe == variant("the base")) is (not VARIANTS[name])


def test_a_variant_is_learned_from_the_same_pool() -> None:
    assert {repr(variant(name).mixing) for name in VARIANTS} == {repr(Recipe().mixing)}


def test_runs_that_are_in_the_file_are_there_after_another_start(tmp_path: Path) -> None:
    run = {"name": "the base", "fold": 1, "seed": 2, "steps": 3}
    _Table(tmp_path / "runs.json").add(run | {"clips_map": 0.5})
    again = _Table(tmp_path / "runs.json")
    assert again.has(**run)
    assert not again.has(**run | {"seed": 1})


def test_a_table_without_a_file_has_no_runs(tmp_path: Path) -> None:
    assert not _Table(tmp_path / "runs.json").has(name="the base")
