"""The curve over training data compares runs of one fold that were trained to their end, and nothing else."""

from pathlib import Path

import pytest

from models.data.frontend import mel_filters
from models.experiments.curve import main
from models.network.network import make_net
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from tests.models.sounds import tiny_recipe


def run(folder: Path, *, step: int = 4, **changes: object) -> str:
    recipe = tiny_recipe(**changes)
    weights = make_net(recipe).state_dict()
    folder.mkdir()
    checkpoint.save(folder / "checkpoint.pt", Checkpoint(recipe, mel_filters(recipe.spec), step, weights, weights, {}))
    return str(folder)


def test_runs_that_say_nothing_of_a_fold_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = run(tmp_path / "whole")
    short = run(tmp_path / "short", step=2, leave_out_fold=1)
    first, second = (run(tmp_path / f"fold{fold}", leave_out_fold=fold) for fold in (1, 2))
    other = run(tmp_path / "other", leave_out_fold=1, fewer_folds=(2,), masks=0.0)
    for runs, said in (
        ([whole], "every fold"),
        ([short], "at step 2 of 4"),
        ([first, second], "folds 1, 2"),
        ([first, other], "with masks=0.0, unlike"),
    ):
        assert main([*runs, "--out", str(tmp_path / "curve.json")]) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "curve.json").exists()
