from dataclasses import replace
from pathlib import Path

import pytest

from listener.pipeline.features import FeatureSpec
from models.data.pool import DATA
from models.data.recordings import DataError
from models.training.recipe import Mixing, Recipe
from models.training.settings import training_command, with_settings


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
        ("mixing.spec.mels=32", Recipe(mixing=Mixing(spec=FeatureSpec(mels=32)))),
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
        "batch=0", "steps=-1", "seed=-1", "pairs=nan", "pairs=1.1", "dropout=-0.1", "peak_rate=inf", "pair_db=nan,0",
        "fewer_folds=0", "shape.widths=0,8,8,8", "mixing.rooms=0", "mixing.padded=2", "mixing.sounds_in_clip=0.5,0.4",
        "mixing.spec.sample_rate=8000", "mixing.spec.hop=320", "mixing.spec.fft=1024", "mixing.spec.scale_db=10",
        "mixing.spec.clip_samples=32000",
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


def test_the_command_says_nothing_that_is_not_known_or_is_the_default() -> None:
    assert training_command(Recipe()) == "python -m models.train"
    assert training_command(Recipe(), data=[DATA]) == "python -m models.train"


def test_the_command_names_every_folder_where_one_is_not_the_default() -> None:
    words = training_command(Recipe(), Path("runs/x"), [DATA, Path("sounds")])
    assert words == f"python -m models.train --out runs/x --data {DATA} --data sounds"
