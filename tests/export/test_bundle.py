"""A checkpoint becomes a bundle that the daemon reads, and that says where it comes from."""

import json
from pathlib import Path

import pytest
import torch

from export.bundle import export, main
from export.card import card
from export.rules import GROUPS, RULES, groups_for, rules_for
from listener import bundle
from models import checkpoint
from models.checkpoint import Checkpoint
from models.frontend import mel_filters
from models.network import make_net
from models.recipe import LABELS
from tests.models.sounds import tiny_recipe

REPORT = {
    "fold": 3,
    "steps": 4,
    "datasets": {
        "esc10": {
            "files": 2,
            "accuracy_own_labels": 1.0,
            "accuracy_all_labels": 0.5,
            "recall": {"low": 1.0},
            "confused": [["low", "high", 1]],
        }
    },
}
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
    return Checkpoint(recipe, mel_filters(recipe.spec), 4, weights, weights, {}, torch.get_rng_state())


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


def test_the_bundle_says_where_it_comes_from_and_how_it_scores(folder: Path) -> None:
    manifest = bundle.load(folder).manifest
    assert manifest.provenance["folds"] == "all but 3"
    assert "--leave-out-fold 3" in manifest.provenance["command"]
    assert manifest.metrics == {"fold3_esc10_own_labels": 1.0, "fold3_esc10_all_labels": 0.5}


def test_the_card_names_figures_and_authors_under_cc_by(folder: Path) -> None:
    text = card(bundle.load(folder), REPORT, LISTING, commands="python -m models.train", history="A first try failed.")
    assert "| esc10 | 2 | 100.0% | 50.0% |" in text
    assert "A first try failed." in text
    assert "these very weights" in text
    assert "Ann (7)" in text
    assert "Bob" not in text
    assert "- music: Cy, CC BY, <http://c>" in text
    assert "$" not in text


def test_a_missing_checkpoint_is_one_line_and_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(tmp_path / "none.pt"), "--out", str(tmp_path / "out")]) == 1
    assert "none.pt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_written_checkpoint_exports_the_same_labels(trained: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "checkpoint.pt", trained)
    assert main(["--checkpoint", str(tmp_path / "checkpoint.pt"), "--out", str(tmp_path / "out")]) == 0
    assert bundle.load(tmp_path / "out").labels == ("low", "high")


def test_rules_and_groups_speak_of_labels_that_there_are() -> None:
    assert set(RULES) <= set(LABELS)
    assert {label for members in GROUPS.values() for label in members} == set(LABELS)
    assert set(groups_for(["rain"])) == {"nature"}


def test_alarms_hold_through_the_pauses_of_their_patterns() -> None:
    rules = rules_for(LABELS)
    assert rules["smoke_alarm"].hold_s >= 6
    assert rules["co_alarm"].hold_s >= 8
    assert all(0 < rule.off < rule.on < 1 for rule in rules.values())
