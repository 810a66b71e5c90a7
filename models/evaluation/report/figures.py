"""Figures out of what runs said: plain values, all that the page and the pictures are made from."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from listener.pipeline.values import Floats
from models.evaluation.measures import answers
from models.evaluation.report.runs import Examined, Mixed, Scored
from models.evaluation.test_split import Files
from models.evaluation.yamnet import HEARD_AS, label_scores
from models.training.recipe import to_plain

BINS = 12  # of probability, in the reliability diagram
CURVE_POINTS = 60
CONFUSED = 25
# Files in each fold as published: where fewer are at hand, the fold is named a part of it.
PUBLISHED = {"urbansound8k": (873, 888, 925, 990, 936, 823, 838, 806, 816, 837)}

Table = dict[str, Any]


def of_run(heard: Examined) -> Table:
    """A run's figures on its left-out fold."""
    run, labels = heard.run, heard.run.trained.recipe.labels
    return {
        "fold": run.fold,
        "checkpoint": str(run.folder / "checkpoint.pt"),
        "steps": run.trained.step,
        "of_steps": run.trained.recipe.steps,
        "recipe": to_plain(run.trained.recipe),
        "calibrated": run.calibration is not None,
        "datasets": {
            name: of_dataset(scored, labels, name) | {"fold": fold_name(name, run.fold, scored.files)}
            for scored in heard.scored
            for name in sorted(set(scored.files.datasets))
        },
        "mixtures": {
            "clips": len(heard.mixed.scores),
            "clips_map": round(heard.mixed.clips_map, 4),
            "frames_map": round(heard.mixed.frames_map, 4),
        },
        "scenes": run.scenes,
    }


def of_dataset(scored: Scored, labels: Sequence[str], dataset: str) -> Table:
    """Accuracy of a data set's files among all labels and among its own, recalls, and what was taken for what."""
    truth = [label for label, of in zip(scored.files.labels, scored.files.datasets, strict=True) if of == dataset]
    among_all, among_own = answers(scored.files, scored.scores, labels, dataset)
    mistakes = Counter((true, said) for true, said in zip(truth, among_all, strict=True) if true != said)
    figures: Table = {
        "files": len(truth),
        "labels": len(set(truth)),
        "accuracy_all_labels": share(among_all, truth),
        "accuracy_own_labels": share(among_own, truth),
        "recall": recalls(among_own, truth),
        "recall_all_labels": recalls(among_all, truth),
        "confused": [[true, said, count] for (true, said), count in mistakes.most_common(CONFUSED)],
    }
    if scored.raw is not None:
        raw_among_all, raw_among_own = answers(scored.files, scored.raw, labels, dataset)
        figures["raw_all_labels"] = share(raw_among_all, truth)
        figures["raw_own_labels"] = share(raw_among_own, truth)
    if scored.peer is not None and set(truth) <= set(HEARD_AS):
        own = tuple(sorted(set(truth)))
        _, said = answers(scored.files, label_scores(scored.peer, own), own, dataset)
        figures["yamnet_own_labels"], figures["yamnet_recall"] = share(said, truth), recalls(said, truth)
    return figures


def together(runs: Sequence[Table]) -> Table:
    """Of each data set the shares over all files of all left-out folds."""
    sums: Table = {}
    for name in dict.fromkeys(name for run in runs for name in run["datasets"]):
        parts = [run["datasets"][name] for run in runs if name in run["datasets"]]
        files = sum(part["files"] for part in parts)
        kinds = [kind for kind in parts[0] if kind.endswith("_labels") and isinstance(parts[0][kind], float)]
        sums[name] = {
            "folds": [part["fold"] for part in parts],
            "files": files,
            "labels": max(part["labels"] for part in parts),
        } | {
            kind: round(sum(part[kind] * part["files"] for part in parts) / files, 4)
            for kind in kinds
            if all(kind in part for part in parts)
        }
    return sums


def confusion(heard: Sequence[Examined], labels: Sequence[str]) -> list[list[int]]:
    """Files of each true label (rows) that were answered so (columns), among all labels, over every run."""
    counts = np.zeros((len(labels), len(labels)), int)
    for scored in (scored for each in heard for scored in each.scored):
        truth = [labels.index(label) for label in scored.files.labels]
        np.add.at(counts, (truth, scored.scores.argmax(axis=1)), 1)
    table: list[list[int]] = counts.tolist()
    return table


def curves(mixed: Sequence[Mixed], labels: Sequence[str]) -> dict[str, Table]:
    """Of each label precision against recall in the mixtures of every left-out fold; labels not in them left out."""
    scores, targets, known = joined(mixed)
    found: dict[str, Table] = {}
    for n, label in enumerate(labels):
        truth, said = targets[known[:, n], n], scores[known[:, n], n]
        if truth.any():
            precision, recall, _ = precision_recall_curve(truth, said)
            some = np.unique(np.searchsorted(-recall, -np.linspace(1, 0, CURVE_POINTS)).clip(0, len(recall) - 1))
            found[label] = {
                "clips": int(truth.sum()),
                "average_precision": round(float(average_precision_score(truth, said)), 4),
                "recall": np.round(recall[some], 3).tolist(),
                "precision": np.round(precision[some], 3).tolist(),
            }
    return found


def reliability(scores: Floats, truth: np.ndarray) -> Table:
    """How often what was given a probability was so, in bins of probability; the errors expected and squared."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    used = counts > 0
    said = np.bincount(bins, scores, BINS)[used] / counts[used]
    was = np.bincount(bins, truth, BINS)[used] / counts[used]
    return {
        "said": np.round(said, 4).tolist(),
        "was": np.round(was, 4).tolist(),
        "answers": counts[used].tolist(),
        "expected_error": round(float(np.abs(said - was) @ counts[used] / counts.sum()), 5),
        "squared_error": round(float(np.square(scores - truth).mean()), 5),
    }


def reliabilities(mixed: Sequence[Mixed]) -> dict[str, Table]:
    """Reliability of all labels' answers about mixtures, as the networks give them and as calibrated, where all are."""
    scores, targets, known = joined(mixed)
    found = {"raw": reliability(scores[known], targets[known])}
    calibrated = [each.calibrated for each in mixed if each.calibrated is not None]
    if len(calibrated) == len(mixed):
        found["calibrated"] = reliability(np.concatenate(calibrated)[known], targets[known])
    return found


def joined(mixed: Sequence[Mixed]) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Scores, targets and what is known of them, (clips, labels), of every run's mixtures."""
    scores, targets, known = (
        np.concatenate([getattr(each, name) for each in mixed]) for name in ("scores", "targets", "known")
    )
    return scores, targets, known


def fold_name(dataset: str, fold: int, files: Files) -> str:
    """«fold 3», or «fold 3 (part)» where not all of it is here."""
    sizes = PUBLISHED.get(dataset, ())
    part = fold <= len(sizes) and files.datasets.count(dataset) < sizes[fold - 1]
    return f"fold {fold} (part)" if part else f"fold {fold}"


def recalls(said: Sequence[str], truth: Sequence[str]) -> dict[str, float]:
    """Of each label the share of its files that were answered so."""
    right, all_of = Counter(a for a, b in zip(said, truth, strict=True) if a == b), Counter(truth)
    return {label: round(right[label] / count, 4) for label, count in sorted(all_of.items())}


def share(said: Sequence[str], truth: Sequence[str]) -> float:
    """The share that was right."""
    return round(sum(a == b for a, b in zip(said, truth, strict=True)) / max(1, len(truth)), 4)
