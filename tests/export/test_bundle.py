"""A checkpoint becomes a bundle that the daemon reads, and that says where it comes from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from export.bundle import export, main
from export.card import card
from export.graph import Runtime
from export.rules import GROUPS, RULES, groups_for, rules_for
from listener import bundle
from listener.bundle import LabelRule
from listener.classifier import Classifier
from listener.types import Features, Heard, Span
from models import calibration as calibrations
from models import checkpoint
from models.calibration import Calibration
from models.checkpoint import Checkpoint
from models.frontend import mel_filters
from models.network import make_net
from models.recipe import LABELS
from tests.models.sounds import tiny_recipe

FIGURES = {"files": 2, "accuracy_own_labels": 1.0, "accuracy_all_labels": 0.5}
SCENES = {
    "hours": 3.3, "f1": 0.75, "macro_f1": 0.7, "precision": 0.8, "recall": 0.72, "false_alarms_per_hour": 4.0,
    "latency_s": {"p50": 0.9, "p95": 2.1}, "onset_error_s": 0.1, "end_error_s": 0.3,
}  # fmt: skip
REPORT = {
    "folds": [{"fold": 3, "datasets": {"esc10": {**FIGURES, "fold": 3, "recall": {"low": 1.0}}}, "scenes": SCENES}],
    "together": {"esc10": FIGURES},
}
CALIBRATION = Calibration(
    ("low", "high"), (2.0, 0.5), (-1.0, 0.3), {"low": LabelRule(on=0.5, off=0.2), "high": LabelRule()}, 0.3
)
HEARD = Heard(Span(0, 48_000), -20.0)
LISTING = [
    {"dataset": "esc10", "licence": "CC-BY", "author": "Ann", "source_id": "7", "url": "http://a", "label": "low"},
    {"dataset": "esc10", "licence": "CC0", "author": "Bob", "source_id": "8", "url": "http://b", "label": "low"},
    {"dataset": "music", "licence": "CC BY", "author": "Cy", "source_id": "9", "url": "http://c", "label": "music"},
]


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    torch.manual_seed(0)
    recipe = tiny_recipe(leave_out_fold=3)
    weights = make_net(recipe).state_dict()
    return Checkpoint(recipe, mel_filters(recipe.spec), 4, weights, weights, {})


@pytest.fixture(scope="module")
def folder(trained: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    (folder / "report.json").write_text(json.dumps(REPORT))
    out = folder / "bundle"
    export(trained, out, name="tiny", licence="CC0", data="tones", report=folder / "report.json")
    return out


def test_the_bundle_can_be_read_and_carries_the_checkpoints_front_end(trained: Checkpoint, folder: Path) -> None:
    loaded = bundle.load(folder)
    assert loaded.labels == ("low", "high")
    assert loaded.features == trained.recipe.spec
    assert (loaded.filters == trained.filters).all()


def test_the_daemons_classifier_says_of_a_clip_what_the_checkpoint_says(trained: Checkpoint, folder: Path) -> None:
    loaded = bundle.load(folder)
    mel = np.random.default_rng(0).normal(-1, 0.7, (64, 297)).astype(np.float32)
    said = Classifier(loaded, "cpu")(Features(Span(0, 48_000), mel, HEARD))
    (scores,), (frames,), (embedding,) = trained.answerer()(mel[None])
    assert loaded.frame_s == 0.08
    for ours, theirs in ((said.scores, scores), (said.frames, frames), (said.embedding, embedding)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_without_a_calibration_the_rules_are_those_chosen_beforehand(folder: Path) -> None:
    assert bundle.load(folder).rules == rules_for(["low", "high"])


def test_a_calibrations_scales_and_rules_are_in_the_bundle(trained: Checkpoint, folder: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "checkpoint.pt", trained)
    calibrations.write(tmp_path / "calibration.json", CALIBRATION)
    words = ["--checkpoint", str(tmp_path / "checkpoint.pt"), "--calibration", str(tmp_path / "calibration.json")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    mel = np.random.default_rng(0).normal(-1, 0.7, (2, 64, 297)).astype(np.float32)
    calibrated, raw = (Runtime(bundle.load(where).model)(mel) for where in (tmp_path / "out", folder))
    np.testing.assert_allclose(calibrated, CALIBRATION.apply(raw), atol=1e-4)
    assert bundle.load(tmp_path / "out").rules == CALIBRATION.rules
    assert bundle.load(tmp_path / "out").labels == ("low", "high")


def test_labels_left_out_are_in_no_part_of_the_bundle(tmp_path: Path) -> None:
    recipe = tiny_recipe(leave_out_labels=("high",))
    weights = make_net(recipe).state_dict()
    export(Checkpoint(recipe, mel_filters(recipe.spec), 4, weights, weights, {}), tmp_path)
    loaded = bundle.load(tmp_path)
    assert loaded.labels == ("low",)
    assert set(loaded.rules) == {"low"}


def test_the_bundle_says_where_it_comes_from_and_how_it_scores(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    assert manifest.provenance["folds"] == "all but 3"
    assert "leave_out_fold=3" in manifest.provenance["command"]
    assert manifest.metrics == {"esc10_own_labels": 1.0, "esc10_all_labels": 0.5, "fold3_events_f1": 0.75}


def test_the_card_names_figures_and_authors_under_cc_by(folder: Path) -> None:
    text = card(bundle.load(folder), REPORT, LISTING, commands="python -m models.train", history="A first try failed.")
    assert "| esc10 | 3 | 2 | 100.0% |  | 50.0% |" in text
    assert "A first try failed." in text
    assert "models of the same recipe" in text
    assert "| fold 3 | 3.3 | 0.75 |" in text
    assert "Ann (7)" in text
    assert "Bob" not in text
    assert "- music: Cy, CC BY, <http://c>" in text
    assert "$" not in text


def test_a_missing_checkpoint_is_one_line_and_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(tmp_path / "none.pt"), "--out", str(tmp_path / "out")]) == 1
    assert "none.pt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_rules_and_groups_speak_of_labels_that_there_are() -> None:
    assert set(RULES) <= set(LABELS)
    assert {label for members in GROUPS.values() for label in members} == set(LABELS)
    assert set(groups_for(["rain"])) == {"nature"}


def test_alarms_hold_through_the_pauses_of_their_patterns() -> None:
    rules = rules_for(LABELS)
    assert rules["smoke_alarm"].hold_s >= 6
    assert rules["co_alarm"].hold_s >= 8
    assert all(0 < rule.off < rule.on < 1 for rule in rules.values())
