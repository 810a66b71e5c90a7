"""Thresholds come from other folds: what is no cross-validation is refused before anything is heard."""

import os
from pathlib import Path
from typing import Any

import pytest

from models.calibrate import left_out
from models.data.frontend import mel_filters
from models.data.recordings import DataError
from models.evaluation.report.runs import read_runs
from models.network.network import make_net
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from tests.models.sounds import tiny_recipe


def run(folder: Path, *, step: int = 4, **changes: Any) -> Path:
    recipe = tiny_recipe(**changes)
    weights = make_net(recipe).state_dict()
    folder.mkdir(parents=True)
    checkpoint.save(folder / "checkpoint.pt", Checkpoint(recipe, mel_filters(recipe.spec), step, weights, weights, {}))
    return folder


def test_runs_of_several_folds_are_a_cross_validation(tmp_path: Path) -> None:
    folders = [run(tmp_path / f"fold{fold}", leave_out_fold=fold) for fold in (1, 2)]
    run(tmp_path / "all")
    assert left_out(tmp_path) == folders


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"leave_out_fold": 1}, "two trainings left the same fold out"),
        ({"leave_out_fold": 2, "leave_out_labels": ("high",)}, "trainings with different labels"),
        ({"leave_out_fold": 2, "step": 3}, "fold1-wide: at step 3 of 4"),
    ],
    ids=str,
)
def test_what_is_none_is_refused(second: dict[str, Any], said: str, tmp_path: Path) -> None:
    run(tmp_path / "fold1", leave_out_fold=1)
    with pytest.raises(DataError, match="1 runs with a fold left out"):
        left_out(tmp_path)
    run(tmp_path / "fold1-wide", **second)
    with pytest.raises(DataError, match=said):
        left_out(tmp_path)


@pytest.mark.parametrize("name", ["calibration.json", "scenes.json"])
def test_what_was_made_of_the_checkpoint_before_is_no_figure_of_this_one(name: str, tmp_path: Path) -> None:
    folder = run(tmp_path / "fold1", leave_out_fold=1)
    (folder / name).write_text("{}")
    os.utime(folder / name, (0, 0))
    with pytest.raises(DataError, match=f"{name}: made of the checkpoint before"):
        read_runs(tmp_path)
