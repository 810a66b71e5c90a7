"""Figures of whole files: accuracy by data set, recalls, confusions, leakage, and what else raises a label."""

import numpy as np

from models.evaluation.files import Files, figures, leakage, raised

LABELS = ("rain", "wind", "siren")


def files(answered: list[str], truth: list[str], datasets: list[str], embeddings: np.ndarray | None = None) -> Files:
    scores = np.array([[1.0 if label == said else 0.1 for label in LABELS] for said in answered], np.float32)
    nothing = np.zeros((len(truth), 0), np.float32)
    return Files(LABELS, truth, datasets, scores, scores, nothing if embeddings is None else embeddings, None)


def test_accuracy_is_among_all_labels_and_among_the_data_sets_own() -> None:
    scored = files(["rain", "siren", "wind"], ["rain", "rain", "wind"], ["a", "a", "b"])
    found = figures(scored)
    assert found["datasets"]["a"] == {"files": 2, "labels": 1, "all": 0.5, "own": 1.0}
    assert found["datasets"]["b"]["all"] == 1.0
    assert found["recall"] == {"rain": 0.5, "wind": 1.0}
    assert found["confused"] == [["rain", "siren", 1]]


def test_the_share_of_files_that_raise_another_label_is_counted_once_a_file() -> None:
    table = raised({"rain": [{"rain", "wind"}, {"wind"}, set(), {"siren"}]})
    assert table == {"rain": {"wind": 0.5, "siren": 0.25}}


def test_leakage_tells_embeddings_that_know_their_data_set() -> None:
    rng = np.random.default_rng(0)
    truth, datasets = ["rain"] * 80, ["a", "b"] * 40
    known = np.array([[name == "a", 0] for name in datasets]) + rng.normal(0, 0.1, (80, 2))
    told = leakage(files(truth, truth, datasets, known))
    not_told = leakage(files(truth, truth, datasets, rng.normal(0, 1, (80, 2))))
    assert told["balanced_accuracy"] > 0.95
    assert not_told["balanced_accuracy"] < 0.7
    assert told["chance"] == 0.5


def test_without_a_label_of_two_data_sets_there_is_no_leakage_to_tell() -> None:
    assert leakage(files(["rain", "wind"], ["rain", "wind"], ["a", "b"], np.zeros((2, 2)))) == {}
