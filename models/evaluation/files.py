"""Whole files of a fold that a bundle was not trained on: which label has the highest score, beside YAMNet's."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from listener.pipeline.values import Floats
from models.data.bank import decode
from models.data.labels import label_of
from models.data.recordings import DataError, Recording
from models.evaluation.bundle_runner import RATE, BundleRunner
from models.evaluation.scenes import side_by_side
from models.evaluation.yamnet import Yamnet, label_scores

LONGEST_S = 10.0
FIRST_S = 0.8  # clips that end earlier have heard too little
_one_at_a_time = threading.Lock()  # YAMNet's interpreter is for one thread
PUBLISHED = {"esc10": "esc50"}  # of which data set a data set is a part


@dataclass(frozen=True, slots=True)
class Files:
    """Scored files.

    Attributes:
        truth: The label of each file.
        datasets: The data set of each file.
        scores: Mean of the scores of a file's clips, (files, labels).
        peak: Highest score of a file's clips, (files, labels).
        embeddings: Of a file's loudest clip, (files, size); empty where the bundle has none.
        yamnet: YAMNet's scores for the same labels, by hand-made mapping; None where it was not asked.
    """

    labels: tuple[str, ...]
    truth: list[str]
    datasets: list[str]
    scores: Floats
    peak: Floats
    embeddings: Floats
    yamnet: Floats | None


def read(runner: BundleRunner, recordings: Sequence[Recording], yamnet: Yamnet | None = None) -> Files:
    """Have a bundle score some recordings whose labels it knows. Files that cannot be decoded are left out."""
    known = [(r, label_of(r.labels[0])) for r in recordings if label_of(r.labels[0]) in runner.labels]
    rows = side_by_side(lambda item: _scored(runner, item[0].path, yamnet), known)
    kept = [(item, row) for item, row in zip(known, rows, strict=True) if row is not None]
    if not kept:
        raise DataError("no file of the bundle's labels could be read", code="evaluate-files", remedy="Name --data.")
    scores, peak, embeddings, classes = zip(*(row for _, row in kept), strict=True)
    return Files(
        runner.labels,
        [label for (_, label), _ in kept],
        [PUBLISHED.get(r.dataset, r.dataset) for (r, _), _ in kept],
        np.stack(scores),
        np.stack(peak),
        np.stack(embeddings),
        label_scores(np.stack(classes), runner.labels) if yamnet else None,
    )


def figures(files: Files) -> dict[str, Any]:
    """Accuracy of each data set among all labels and among its own, and YAMNet's; recall of each label."""
    found: dict[str, Any] = {}
    for dataset in sorted(set(files.datasets)):
        here = [n for n, name in enumerate(files.datasets) if name == dataset]
        truth = [files.truth[n] for n in here]
        own = sorted(set(truth))
        found[dataset] = {"files": len(here), "labels": len(own)}
        for name, scores in (("", files.scores), ("yamnet_", files.yamnet)):
            if scores is not None:
                all_labels = best(scores[here], files.labels)
                own_labels = best(scores[here][:, [files.labels.index(label) for label in own]], own)
                found[dataset] |= {f"{name}all": share(all_labels, truth), f"{name}own": share(own_labels, truth)}
    answered = best(files.scores, files.labels)
    right = Counter(a for a, b in zip(answered, files.truth, strict=True) if a == b)
    mistakes = Counter((b, a) for a, b in zip(answered, files.truth, strict=True) if a != b)
    recall = {label: round(right[label] / count, 3) for label, count in sorted(Counter(files.truth).items())}
    return {"datasets": found, "recall": recall, "confused": [[*pair, n] for pair, n in mistakes.most_common(25)]}


def leakage(files: Files, seed: int = 0) -> dict[str, float]:
    """How well a linear classifier tells the data set of a file from its embedding, within labels of several sets.

    Returns:
        Balanced accuracy by cross-validation, and that of guessing.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    shared = {label for label in files.truth if len(_datasets(files, label)) > 1}
    here = [n for n, label in enumerate(files.truth) if label in shared]
    sets = np.array([files.datasets[n] for n in here])
    counts = Counter(sets.tolist())
    enough = np.array([counts[name] >= 10 for name in sets], bool)
    if len(set(sets[enough])) < 2:
        return {}
    inputs, sets = files.embeddings[here][enough], sets[enough]
    model = LogisticRegression(max_iter=500, class_weight="balanced", random_state=seed)
    accuracy = cross_val_score(model, inputs, sets, cv=5, scoring="balanced_accuracy").mean()
    return {"balanced_accuracy": round(float(accuracy), 3), "chance": round(1 / len(set(sets)), 3)}


def best(scores: Floats, labels: Sequence[str]) -> list[str]:
    """The label of the highest score of each file."""
    return [labels[int(n)] for n in scores.argmax(axis=1)]


def share(answered: Sequence[str], truth: Sequence[str]) -> float:
    """The share of right answers."""
    return round(sum(a == b for a, b in zip(answered, truth, strict=True)) / max(1, len(truth)), 4)


def raised(events: Mapping[str, Sequence[set[str]]]) -> dict[str, dict[str, float]]:
    """Of each label the share of files that raised each other label: {true: {reported: share}}."""
    table: dict[str, dict[str, float]] = {}
    for truth, files in events.items():
        counts = Counter(label for labels in files for label in labels if label != truth)
        table[truth] = {label: round(count / len(files), 3) for label, count in counts.most_common()}
    return table


def _datasets(files: Files, label: str) -> set[str]:
    return {name for name, truth in zip(files.datasets, files.truth, strict=True) if truth == label}


def _scored(runner: BundleRunner, path: Path, yamnet: Yamnet | None) -> tuple[Floats, Floats, Floats, Floats] | None:
    try:
        samples = decode(path, RATE)[: int(LONGEST_S * RATE)]
    except DataError:
        return None
    padded = np.concatenate([samples, np.zeros(RATE // 2, np.float32)])
    pcm = np.clip(np.rint(padded * 32767), -32768, 32767).astype(np.int16)
    predictions = runner.predictions(pcm, gate="open")
    late = [p for p in predictions if p.span.stop > FIRST_S * RATE] or predictions
    scores = np.stack([p.scores for p in late])
    loudest = late[int(scores.max(axis=1).argmax())].embedding
    nothing = np.zeros(0, np.float32)
    classes = nothing
    if yamnet is not None:
        with _one_at_a_time:
            classes = (1 / (1 + np.exp(-yamnet.logits(samples)))).mean(axis=0)
    return scores.mean(axis=0), scores.max(axis=0), nothing if loudest is None else loudest, classes
