"""Figures of scored files."""

from collections.abc import Sequence

import numpy as np

from listener.pipeline.values import Floats
from models.evaluation.test_split import Files

REPORTED = ("esc10", "urbansound8k", "synthesised")


def accuracies(files: Files, scores: Floats, labels: Sequence[str]) -> dict[str, float]:
    """Of each data set the share of files whose highest score is their label: among all, among the set's own."""
    figures = {}
    for dataset in (name for name in REPORTED if name in files.datasets):
        among_all, among_own = answers(files, scores, labels, dataset)
        truth = [label for label, of in zip(files.labels, files.datasets, strict=True) if of == dataset]
        figures[f"{dataset}_all"] = float(np.mean([a == b for a, b in zip(among_all, truth, strict=True)]))
        figures[f"{dataset}_own"] = float(np.mean([a == b for a, b in zip(among_own, truth, strict=True)]))
    return figures


def answers(files: Files, scores: Floats, labels: Sequence[str], dataset: str) -> tuple[list[str], list[str]]:
    """Of each file of a data set the label of the highest score: among all labels, and among the set's own."""
    here = [n for n, of in enumerate(files.datasets) if of == dataset]
    own = sorted({files.labels[n] for n in here} & set(labels), key=labels.index)
    columns = [labels.index(label) for label in own]
    return (
        [labels[int(n)] for n in scores[here].argmax(axis=1)],
        [own[int(n)] for n in scores[here][:, columns].argmax(axis=1)],
    )
