from dataclasses import replace
from pathlib import Path

import pytest

from models.data import DataError
from models.recipe import Mixing, Recipe
from models.settings import training_command, with_settings


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("steps=500", Recipe(steps=500)),
        ("dropout=0", Recipe(dropout=0.0)),
        ("mixtures=0", Recipe(mixtures=False)),
        ("leave_out_fold=3", Recipe(leave_out_fold=3)),
        ("leave_out_labels=siren,music", Recipe(leave_out_labels=("siren", "music"))),
        ("pair_db=-9,0", Recipe(pair_db=(-9.0, 0.0))),
        ("shape.serial=gru", Recipe(shape=replace(Recipe().shape, serial="gru"))),
        ("shape.widths=1,2,3,4", Recipe(shape=replace(Recipe().shape, widths=(1, 2, 3, 4)))),
        ("mixing.clips=7", Recipe(mixing=Mixing(clips=7))),
    ],
)
def test_a_setting_changes_one_thing(setting: str, expected: Recipe) -> None:
    assert with_settings(Recipe(), [setting]) == expected


@pytest.mark.parametrize(
    "setting",
    [
        "colour=1", "shape.colour=1", "steps.colour=1", "steps=many", "steps=", "steps", "shape.serial=lstm",
        "shape=gru",
        "shape.frequency=maybe", "shape.widths=8,8",
        "pair_db=low,high", "leave_out_fold=0", "leave_out_labels=whistle", "mixing.label_weights=1",
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(setting: str) -> None:
    with pytest.raises(DataError, match=f"--set {setting}"):
        with_settings(Recipe(), ["seed=2", setting])


def test_the_command_that_trains_a_recipe_says_all_that_is_not_the_default() -> None:
    recipe = Recipe(leave_out_fold=3, steps=30)
    assert training_command(recipe, Path("runs/x")) == (
        "python -m models.train --out runs/x --set leave_out_fold=3 --set steps=30"
    )


def test_what_the_command_says_makes_the_recipe_again() -> None:
    recipe = with_settings(Recipe(), ["shape.serial=gru", "leave_out_labels=siren,music", "mixing.clips=7"])
    words = training_command(recipe, Path("runs/x")).split(" --set ")[1:]
    assert with_settings(Recipe(), words) == recipe
