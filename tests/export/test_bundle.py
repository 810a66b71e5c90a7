"""A checkpoint becomes a bundle that the daemon reads, and that says where it comes from."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.bundle import About, export, main, manifest_of
from export.card import card
from export.graph import Runtime
from export.rules import GROUPS, RULES, groups_for, rules_for
from listener.errors import ListenerError
from listener.pipeline import bundle
from listener.pipeline.bundle import LabelRule
from listener.pipeline.classifier import Classifier
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import ClipContext, Features, Span
from models.data.frontend import mel_filters
from models.evaluation import calibration as calibrations
from models.evaluation.calibration import Calibration
from models.network.network import make_net, multiply_adds
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.recipe import LABELS, Recipe, Shape, to_plain
from tests.models.sounds import tiny_mixing, tiny_recipe

RECIPE = tiny_recipe(leave_out_fold=3)
FIGURES = {"files": 2, "labels": 2, "accuracy_own_labels": 1.0, "accuracy_all_labels": 0.5}
RECALLS = {"recall": {"low": 1.0}, "recall_all_labels": {"low": 0.0}}
SCENES = {
    "hours": 3.3, "f1": 0.75, "macro_f1": 0.7, "precision": 0.8, "recall": 0.72, "false_alarms_per_hour": 4.0,
    "latency_s": {"p50": 0.9, "p95": 2.1}, "onset_error_s": 0.1, "end_error_s": 0.3,
}  # fmt: skip
CALIBRATION = Calibration(
    ("low", "high"), (2.0, 0.5), (-1.0, 0.3), {"low": LabelRule(on=0.5, off=0.2), "high": LabelRule()}
)
HEARD = ClipContext(Span(0, 48_000), -20.0)
LISTING = [
    {"dataset": "esc10", "licence": "CC-BY", "author": "Ann", "source_id": "7", "url": "http://a", "label": "low"},
    {"dataset": "esc10", "licence": "CC0", "author": "Bob", "source_id": "8", "url": "http://b", "label": "low"},
    {"dataset": "music", "licence": "CC BY", "author": "Cy", "source_id": "9", "url": "http://c", "label": "high"},
    {"dataset": "music", "licence": "CC BY", "author": "Di", "source_id": "6", "url": "http://d", "label": "mid"},
]
REQUIRED = ["--name", "tiny", "--licence", "CC0", "--trained-on", "tones"]


def report_on(recipe: Recipe) -> dict[str, Any]:
    """A report on one model, with a data set of two labels and one of a single one."""
    datasets = {"esc10": FIGURES, "music": {**FIGURES, "labels": 1}}
    run = {
        "fold": 3, "recipe": to_plain(recipe),
        "datasets": {name: {**part, **RECALLS, "fold": 3} for name, part in datasets.items()}, "scenes": SCENES,
    }  # fmt: skip
    return {"labels": list(recipe.labels), "folds": [run], "together": datasets}


def checkpoint_of(recipe: Recipe) -> Checkpoint:
    """One that came to its end, with an embedding of another size than the one that was trained, and examples."""
    torch.manual_seed(0)
    weights = make_net(recipe).state_dict()
    size = 2 * recipe.shape.hidden
    projection = torch.eye(size), torch.zeros(size)
    return Checkpoint(recipe, mel_filters(recipe.spec), recipe.steps, weights, weights, {}, projection)


def described(trained: Checkpoint, report: dict[str, Any], folder: Path) -> bundle.Bundle:
    """A bundle that is right in all but its model, which takes seconds to make."""
    (folder / "report.json").write_text(json.dumps(report))
    manifest = manifest_of(trained, About(report=folder / "report.json"))
    bundle.write(folder, manifest, b"no model", trained.filters)
    return bundle.load(folder)


REPORT = report_on(RECIPE)


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return checkpoint_of(RECIPE)


@pytest.fixture(scope="module")
def folder(trained: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    (folder / "report.json").write_text(json.dumps(REPORT))
    out = folder / "bundle"
    export(trained, out, About(name="tiny", licence="CC0", data="tones", report=folder / "report.json"))
    return out


def test_the_bundle_can_be_read_and_carries_the_checkpoints_front_end(trained: Checkpoint, folder: Path) -> None:
    loaded = bundle.load(folder)
    assert loaded.labels == ("low", "high")
    assert loaded.features == trained.recipe.spec
    assert (loaded.filters == trained.filters).all()


def test_the_daemons_classifier_says_of_a_clip_what_the_checkpoint_says(trained: Checkpoint, folder: Path) -> None:
    loaded = bundle.load(folder)
    mel = np.random.default_rng(0).normal(-1, 0.7, (64, 297)).astype(np.float32)
    said = Classifier(loaded, "cpu").stream()(Features(Span(0, 48_000), mel, HEARD))
    (scores,), (frames,), (embedding,) = trained.answerer()(mel[None])
    assert loaded.frame_s == 0.08
    for ours, theirs in ((said.scores, scores), (said.frame_scores, frames), (said.embedding, embedding)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_without_a_calibration_the_rules_are_those_chosen_beforehand(folder: Path) -> None:
    assert bundle.load(folder).rules == rules_for(["low", "high"])


def test_a_calibrations_scales_and_rules_are_in_the_bundle(trained: Checkpoint, folder: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "checkpoint.pt", trained)
    calibrations.write(tmp_path / "calibration.json", CALIBRATION)
    words = ["--checkpoint", str(tmp_path / "checkpoint.pt"), "--calibration", str(tmp_path / "calibration.json")]
    assert main([*words, *REQUIRED, "--out", str(tmp_path / "out")]) == 0
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
    esc10 = {"esc10_own_labels": 1.0, "esc10_all_labels": 0.5}
    assert manifest.metrics == {**esc10, "music_all_labels": 0.5, "fold3_events_f1": 0.75}


@pytest.mark.parametrize(
    "differs",
    [{"leave_out_datasets": ("esc10",)}, {"leave_out_labels": ("high",)}, {"steps": 9}, {"mixtures": False}],
    ids=str,
)
def test_figures_of_another_recipes_models_are_not_the_bundles(differs: dict[str, Any], tmp_path: Path) -> None:
    other = described(checkpoint_of(replace(RECIPE, **differs)), REPORT, tmp_path)
    assert other.manifest.metrics == {}
    text = card(other, REPORT, LISTING, commands="", history="")
    assert "None of these figures was measured for these weights" in text
    assert "with 4 steps on 2 labels" in text
    assert "models of the same recipe" not in text


@pytest.mark.parametrize(
    ("differs", "folds", "said"),
    [
        ({"leave_out_fold": None}, "all", "fitted on every fold, with as many steps (4)"),
        ({}, "all but 3", "trained without fold 3."),
        ({"fewer_folds": (2,)}, "all but 3, 2", "trained without fold 3 and 2."),
    ],
    ids=str,
)
def test_folds_that_the_weights_have_not_heard_are_told(
    differs: dict[str, Any], folds: str, said: str, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, **differs)
    report = report_on(replace(recipe, leave_out_fold=3))
    loaded = described(checkpoint_of(recipe), report, tmp_path)
    assert loaded.manifest.provenance["folds"] == folds
    assert said in card(loaded, report, LISTING, commands="", history="")


def test_another_fold_left_out_and_another_seed_are_the_same_recipe(tmp_path: Path) -> None:
    same = described(checkpoint_of(replace(RECIPE, leave_out_fold=None, seed=7)), REPORT, tmp_path)
    assert same.manifest.metrics["esc10_own_labels"] == 1.0


def test_the_card_names_figures_and_authors_under_cc_by(folder: Path) -> None:
    text = card(bundle.load(folder), REPORT, LISTING, commands="python -m models.train", history="A first try failed.")
    assert "| esc10 | 3 | 2 | 100.0% |  | 50.0% |" in text
    assert "A first try failed." in text
    assert "models of the same recipe" in text
    assert "| fold 3 | 3.3 | 0.75 |" in text
    assert "Ann (7)" in text
    assert "Bob" not in text
    assert "- music: Cy, CC BY, <http://c>" in text
    assert "Di" not in text
    assert "$" not in text


def test_the_size_told_is_that_of_the_graph_with_its_projection_and_examples(tmp_path: Path) -> None:
    trained = replace(checkpoint_of(RECIPE), examples=torch.eye(32)[:20])
    loaded = described(trained, REPORT, tmp_path)
    text = card(loaded, REPORT, LISTING, commands="", history="")
    net = make_net(RECIPE)
    size = sum(w.numel() for name, w in net.named_parameters() if not name.startswith(("teacher", "describe")))
    assert f"{size + 32 * 32 + 32:,} weights and 20 x 32 int8 numbers of examples" in text
    adds = int(loaded.manifest.provenance["multiply_adds"])
    assert adds == multiply_adds(net, 64, 297) + 32 * (32 - 8) + 20 * 32


def test_a_data_set_of_one_label_is_told_among_all_labels_alone(folder: Path) -> None:
    text = card(bundle.load(folder), REPORT, LISTING, commands="", history="")
    among_own, among_all = text.split("Data sets of one label, answer among all labels:")
    assert "- esc10: low 100%" in among_own
    assert "- music: low" not in among_own
    assert "- music: low 0%" in among_all


def test_labels_without_a_recording_are_said_to_be_synthesised_alone(tmp_path: Path) -> None:
    mixing = tiny_mixing(labels=("low", "siren", "doorbell"), variants=3, siren_variants=5)
    recipe = replace(RECIPE, mixing=mixing, leave_out_datasets=("urbansound8k",))
    loaded = described(checkpoint_of(recipe), report_on(recipe), tmp_path)
    siren = {**LISTING[0], "dataset": "urbansound8k", "label": "siren"}
    text = card(loaded, report_on(recipe), [*LISTING, siren], commands="", history="")
    assert "synthesised alone (so many of each): `siren` (5) and `doorbell` (3);" in text
    assert "beside the real ones" not in text


def test_synthesised_sounds_beside_recordings_are_told(tmp_path: Path) -> None:
    recipe = replace(RECIPE, mixing=tiny_mixing(labels=("low", "siren"), siren_variants=5))
    loaded = described(checkpoint_of(recipe), report_on(recipe), tmp_path)
    text = card(loaded, report_on(recipe), [*LISTING, {**LISTING[0], "label": "siren"}], commands="", history="")
    assert "beside the real ones: 5 of `siren`." in text
    assert "synthesised alone" not in text


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_card_names_a_teacher_where_there_was_one(weight: float, tmp_path: Path) -> None:
    recipe = replace(RECIPE, teacher_loss=weight)
    text = card(described(checkpoint_of(recipe), REPORT, tmp_path), REPORT, LISTING, commands="", history="")
    assert ("YAMNet, its teacher" in text) == bool(weight)


def test_the_card_says_what_of_a_network_is_yamnets(tmp_path: Path) -> None:
    recipe = replace(RECIPE, mixing=tiny_mixing(spec=FeatureSpec()), shape=Shape(pretrained=7, frozen=3))
    text = card(described(checkpoint_of(recipe), report_on(recipe), tmp_path), REPORT, LISTING, commands="", history="")
    assert "Its first 7 layers began as those of [YAMNet]" in text
    assert ": 3 of them are as they were" in text
    assert "YAMNet, in parts and changed: Google, Apache-2.0" in text
    assert "PCEN" not in text


def test_the_card_counts_recordings_not_the_files_cut_from_them(tmp_path: Path) -> None:
    machines = ("jackhammer", "air_conditioner", "drilling", "engine_idling")
    recipe = replace(RECIPE, mixing=tiny_mixing(labels=machines))
    listing = [{**LISTING[0], "label": label, "source_id": n} for n in "12" for label in machines]
    loaded = described(checkpoint_of(recipe), report_on(recipe), tmp_path)
    text = card(loaded, report_on(recipe), [*listing, *listing[:3]], commands="", history="")
    assert "were learned from 2, 2, 2 and 2 recordings" in text


def test_the_card_has_no_faults_of_labels_that_the_model_does_not_know(folder: Path) -> None:
    text = card(bundle.load(folder), REPORT, LISTING, commands="", history="")
    assert "`gun_shot`" not in text
    assert "`jackhammer`" not in text
    assert "Far, faint or masked sounds" in text


def test_a_missing_checkpoint_is_one_line_and_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(tmp_path / "none.pt"), *REQUIRED, "--out", str(tmp_path / "out")]) == 1
    assert "none.pt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("unfinished", [{"step": 3}, {"projection": None}], ids=str)
def test_a_run_that_did_not_come_to_its_end_is_refused_with_the_remedy(
    unfinished: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path / "checkpoint.pt", replace(checkpoint_of(RECIPE), **unfinished))
    assert main(["--checkpoint", str(tmp_path / "checkpoint.pt"), *REQUIRED, "--out", str(tmp_path / "out")]) == 1
    assert f"--resume --out {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["--name", "--licence", "--trained-on"])
def test_nobodys_model_gets_our_name_licence_or_data(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    at = REQUIRED.index(missing)
    with pytest.raises(SystemExit):
        main(["--checkpoint", "checkpoint.pt", "--out", "out", *REQUIRED[:at], *REQUIRED[at + 2 :]])
    assert f"required: {missing}" in capsys.readouterr().err


def test_what_is_no_report_is_one_line(trained: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ListenerError, match="no report of"):
        described(trained, {"folds": [{}]}, tmp_path)


def test_rules_and_groups_speak_of_labels_that_there_are() -> None:
    assert set(RULES) <= set(LABELS)
    assert {label for members in GROUPS.values() for label in members} == set(LABELS)
    assert set(groups_for(["rain"])) == {"nature"}


def test_alarms_hold_through_the_pauses_of_their_patterns() -> None:
    rules = rules_for(LABELS)
    assert rules["smoke_alarm"].hold_s >= 6
    assert rules["co_alarm"].hold_s >= 8
    assert all(0 < rule.off < rule.on < 1 for rule in rules.values())
