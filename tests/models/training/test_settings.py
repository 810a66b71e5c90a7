from dataclasses import replace
from pathlib import Path

import pytest

from listener.pipeline.features import FeatureSpec
from models.data.mixing import Mixing
from models.data.pool import DATA
from models.data.recordings import DataError
from models.training.recipe import Recipe
from models.training.settings import training_command, with_settings


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("steps=500", Recipe(steps=500)),
        ("dropout=0", Recipe(dropout=0.0)),
        ("free=0", Recipe(free=False)),
        ("leave_out_fold=3", Recipe(leave_out_fold=3)),
        ("leave_out_labels=siren,music", Recipe(leave_out_labels=("siren", "music"))),
        ("mixing.snr_db=-9,0", Recipe(mixing=Mixing(snr_db=(-9.0, 0.0)))),
        ("shape.hidden=64", Recipe(shape=replace(Recipe().shape, hidden=64))),
        ("mixing.streams=7", Recipe(mixing=Mixing(streams=7))),
        ("mixing.spec.mels=32", Recipe(mixing=Mixing(spec=FeatureSpec(mels=32)))),
    ],
)
def test_a_setting_changes_one_thing(setting: str, expected: Recipe) -> None:
    assert with_settings(Recipe(), [setting]) == expected


@pytest.mark.parametrize(
    "setting",
    [
        "colour=1", "shape.colour=1", "steps.colour=1", "steps=many", "steps=", "steps", "shape.layers=13",
        "shape=gru", "shape.pretrained=maybe", "mixing.snr_db=low,high", "leave_out_fold=0",
        "leave_out_labels=whistle", "mixing.label_weights=1", "batch=0", "steps=-1", "seed=-1", "dropout=nan",
        "dropout=1.1", "dropout=-0.1", "peak_rate=inf", "mixing.snr_db=nan,0", "fewer_folds=0", "mixing.rooms=0",
        "mixing.bed=2", "mixing.events=0.5,0.4",
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(setting: str) -> None:
    with pytest.raises(DataError) as refused:
        with_settings(Recipe(), ["seed=2", setting])
    assert refused.value.code == "train-setting"
    assert setting in refused.value.message


def test_the_command_that_trains_a_recipe_says_all_that_is_not_the_default() -> None:
    recipe = Recipe(leave_out_fold=3, steps=30)
    assert training_command(recipe, Path("runs/x")) == (
        "python -m models.train --out runs/x --set leave_out_fold=3 --set steps=30"
    )


def test_what_the_command_says_makes_the_recipe_again() -> None:
    recipe = with_settings(Recipe(), ["shape.hidden=64", "leave_out_labels=siren,music", "mixing.streams=7"])
    words = training_command(recipe, Path("runs/x")).split(" --set ")[1:]
    assert with_settings(Recipe(), words) == recipe


def test_the_command_says_nothing_that_is_not_known_or_is_the_default() -> None:
    assert training_command(Recipe()) == "python -m models.train"
    assert training_command(Recipe(), data=[DATA]) == "python -m models.train"


def test_the_command_names_every_folder_where_one_is_not_the_default() -> None:
    words = training_command(Recipe(), Path("runs/x"), [DATA, Path("sounds")])
    assert words == f"python -m models.train --out runs/x --data {DATA} --data sounds"
