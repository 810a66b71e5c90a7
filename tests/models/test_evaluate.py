"""What a network is asked about is what the daemon would hear, and nothing that training has had."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from listener.pipeline.features import FeatureSpec
from models.data.frontend import mel_filters
from models.data.recordings import DataError
from models.data.synthesis import STANDARD
from models.evaluate import main, missing
from models.evaluation.report.runs import read_runs
from models.evaluation.scenes import frames, write_clips
from models.evaluation.scoring import clips_of
from models.network.network import make_net
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe
from tests.models.sounds import tiny_recipe


def untrained(recipe: Recipe) -> Checkpoint:
    weights = make_net(recipe).state_dict()
    return Checkpoint(recipe, mel_filters(recipe.spec), 0, weights, weights, {})


def saved(folder: Path, recipe: Recipe) -> Path:
    folder.mkdir(parents=True)
    checkpoint.save(folder / "checkpoint.pt", untrained(recipe))
    return folder


def test_a_long_file_is_heard_every_half_second_to_its_end() -> None:
    samples = np.arange(66_000, dtype=np.float32)
    assert [int(clip[-1]) + 1 for clip in clips_of(samples, FeatureSpec())] == [48_000, 56_000, 64_000, 66_000]


def test_a_short_file_stands_at_the_end_of_a_quiet_clip() -> None:
    (clip,) = clips_of(np.ones(1000, np.float32), FeatureSpec())
    assert (clip[-1000:] == 1).all()
    assert np.abs(clip[:-1000]).max() < 1e-3


def test_synthesised_clips_are_listed_for_scenes_and_can_be_streamed(tmp_path: Path) -> None:
    listing = write_clips(tmp_path, 1, 3)
    lines = listing.read_text().splitlines()
    assert lines[0] == "path,dataset,label,fold"
    assert len(lines) == 1 + len(STANDARD)
    heard = list(frames(tmp_path / "doorbell-000.flac"))
    assert len(heard) == 300


def test_runs_are_found_by_fold_with_what_lies_beside_them(tmp_path: Path) -> None:
    saved(tmp_path / "b", tiny_recipe(leave_out_fold=1))
    saved(tmp_path / "a", tiny_recipe(leave_out_fold=2))
    saved(tmp_path / "all", tiny_recipe())
    (tmp_path / "b" / "scenes.json").write_text('{"f1": 0.5}')
    assert [(run.fold, run.scenes) for run in read_runs(tmp_path)] == [(1, {"f1": 0.5}), (2, None)]


def test_two_runs_of_one_fold_are_not_one_cross_validation(tmp_path: Path) -> None:
    for name in ("a", "b"):
        saved(tmp_path / name, tiny_recipe(leave_out_fold=1))
    with pytest.raises(DataError, match="same fold"):
        read_runs(tmp_path)


def test_without_recordings_the_command_says_so_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "runs", tiny_recipe(leave_out_fold=1))
    (tmp_path / "nothing").mkdir()
    words = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--data", str(tmp_path / "nothing")]
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no training data" in line


def told_missing(labels: Sequence[str], recall: Mapping[str, float]) -> list[str]:
    fold = {"fold": 3, "scenes": None, "calibrated": True, "datasets": {"one": {"recall": recall}}}
    report = {"labels": labels, "folds": [fold], "scenes": {}, "ablation": [], "tables": {}}
    return missing(report, "it is not here")


def test_what_was_not_given_is_named() -> None:
    lines = told_missing(["siren", "rain"], {"siren": 1.0, "rain": 0.0})
    assert lines[:2] == ["YAMNet: it is not here", "No scenes were given for fold 3 (python -m models.calibrate)."]
    assert len(lines) == 5


def test_of_sounds_of_ones_own_only_what_can_be_made_is_missed() -> None:
    (line,) = told_missing(["kettle", "rain"], {"kettle": 1.0, "rain": 0.0})
    assert line.startswith("No scenes were given")


def test_a_label_that_a_fold_has_no_recording_of_is_named() -> None:
    lines = told_missing(["kettle", "cat", "parrot"], {"cat": 0.0})
    assert lines[0] == "Fold 3 has no recording of kettle, parrot."
