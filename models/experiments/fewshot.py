"""How well labels never trained on are told apart by a few examples.

Five labels, one or five recordings of each to know them by, further recordings to be named: by the nearest mean of
the embeddings, in cosine. The shots and what is to be named never come from one source recording.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from listener.pipeline.values import Floats
from models.data.recordings import DataError, read_all
from models.evaluation.tables import check_place, write_table
from models.evaluation.test_split import Files, read_files
from models.experiments.unknown import describe, read_trained
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

DATASETS = ("esc10", "urbansound8k")
WAYS = 5
SHOTS = (1, 5)
QUERIES = 5  # of each label
EPISODES = 600
SEED = 1

Sources = dict[str, list[list[int]]]  # of each label its source recordings, of each its files' numbers


def measure(trained: Checkpoint, files: Files, source_of: Mapping[str, str]) -> list[dict[str, Any]]:
    """Accuracies of the embedding, and of the spectrogram's own statistics for comparison."""
    described = {
        "embedding": describe(trained, files.mels).embeddings,
        "as trained, without the fitted projection": describe(replace(trained, projection=None), files.mels).embeddings,
        "log-mel statistics": statistics(files.mels),
    }
    sources = by_source(files, source_of)
    return [
        {"of": name, "ways": WAYS, "shots": shots} | _with_interval(episodes(unit(files.mean(said)), sources, shots))
        for name, said in described.items()
        for shots in SHOTS
    ]


def episodes(described: Floats, sources: Sources, shots: int, count: int = EPISODES) -> Floats:
    """Accuracies (count,) of random episodes on files of unit descriptions (files, size)."""
    enough = [label for label, recordings in sources.items() if len(recordings) >= shots + QUERIES]
    if len(enough) < WAYS:
        raise DataError(f"{len(enough)} labels have {shots + QUERIES} source recordings; an episode needs {WAYS}.")
    rng = np.random.default_rng([SEED, shots])
    return np.array([_episode(described, [sources[n] for n in rng.choice(enough, WAYS, False)], shots, rng)
                     for _ in range(count)], np.float32)  # fmt: skip


def by_source(files: Files, source_of: Mapping[str, str]) -> Sources:
    """Files' numbers by label and source; `source_of` has the source of each file's name."""
    found: dict[str, dict[str, list[int]]] = {}
    for number, (label, name) in enumerate(zip(files.labels, files.names, strict=True)):
        found.setdefault(label, {}).setdefault(source_of[name], []).append(number)
    return {label: list(recordings.values()) for label, recordings in found.items()}


def statistics(mels: np.ndarray) -> Floats:
    """Mean, level apart, and deviation of each row, what is known without a network: (clips, 2 mels)."""
    mean = mels.mean(axis=2, dtype=np.float32)
    return np.hstack([mean - mean.mean(axis=1, keepdims=True), mels.std(axis=2, dtype=np.float32)])


def unit(rows: Floats) -> Floats:
    """Rows at unit length."""
    normalised: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return normalised


def _episode(described: Floats, labels: Sequence[list[list[int]]], shots: int, rng: np.random.Generator) -> float:
    """The share of queries that are nearest to their own label's mean."""
    drawn = described[[_draw(sources, shots + QUERIES, rng) for sources in labels]]  # (ways, shots + queries, size)
    means = unit(drawn[:, :shots].mean(axis=1))
    answers = (drawn[:, shots:] @ means.T).argmax(axis=2)
    return float((answers == np.arange(len(labels))[:, None]).mean())


def _draw(sources: list[list[int]], count: int, rng: np.random.Generator) -> list[int]:
    """One file each of so many sources."""
    return [int(rng.choice(sources[n])) for n in rng.permutation(len(sources))[:count]]


def _with_interval(accuracies: Floats) -> dict[str, float]:
    """The mean and half its 95 % interval over episodes."""
    half = 1.96 * accuracies.std(ddof=1) / len(accuracies) ** 0.5
    return {"accuracy": round(float(accuracies.mean()), 4), "half_interval": round(float(half), 4)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.experiments.fewshot", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--checkpoint", type=Path, default=Path("runs") / "unknown" / "checkpoint.pt")
    ap.add_argument("--out", type=Path, required=True, help="JSON file of the table")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    return command(lambda: _report(options))


def _report(options: argparse.Namespace) -> None:
    check_place(options.out)
    trained = read_trained(options.checkpoint)
    labels = trained.recipe.leave_out_labels
    recordings = [r for r in read_all(trained.data) if r.labels[0] in labels and r.dataset in DATASETS]
    files = read_files(recordings, trained.recipe.spec, trained.filters)
    source_of = {str(r.path): r.source for r in recordings}
    rows = measure(trained, files, source_of)
    for row in rows:
        log.info("%(of)-20s %(shots)d-shot %(accuracy).3f ± %(half_interval).3f", row)
    write_table(options.out, rows, _note(files, source_of))


def _note(files: Files, source_of: Mapping[str, str]) -> str:
    sources = ", ".join(f"{label} {len(recordings)}" for label, recordings in by_source(files, source_of).items())
    return (
        f"{len(files.labels)} files of labels that training left out, all folds of {' and '.join(DATASETS)}, from so "
        f"many source recordings: {sources}. {EPISODES} random episodes, {QUERIES} queries of each label; no two files "
        "of a label in an episode are cut from one source recording. The interval is over episodes: it says how exact "
        "the mean is, not what other labels would give. Chance is 0.2."
    )


if __name__ == "__main__":
    sys.exit(main())
