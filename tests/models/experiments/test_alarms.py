"""Alarms are asked about on the fold that the checkpoint says it left out, whatever its folder is called."""

from pathlib import Path

import pytest

from models.data.recordings import DataError
from models.experiments.alarms import listen
from tests.models.sounds import tiny_recipe
from tests.models.test_evaluate import saved


def test_a_model_of_every_fold_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fold1: trained on every fold"):
        listen(saved(tmp_path / "fold1", tiny_recipe()), tmp_path / "work", 1.0)


def test_a_run_may_be_called_anything_and_needs_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bundle: not there"):
        listen(saved(tmp_path / "fold-of-mine", tiny_recipe(leave_out_fold=2)), tmp_path / "work", 1.0)
