"""Which smoothing finds events best.

The shipped exponential mean against medians and a two-state hidden Markov model of each label, each over the same
scores, thresholds for all labels alike chosen on the other folds. Latency is bought by looking back: a median of 3
or a lag of 1 hop says everything half a second later.
"""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.rules import rules_for
from listener.pipeline.values import Floats
from models.calibrate import Fold, calibrated, fit_scores, hear, left_out
from models.evaluation.event_scoring import ON, HeardScene, Judge, f1
from models.evaluation.scenes import MINUTES
from models.evaluation.tables import check_place, write_table
from models.training.command import command
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

BINS = np.array([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])  # edges of the scores that a hidden state emits
PSEUDO = 5.0  # counts believed before any was seen
FRAME = 0.35

BIASES = (0.0, 1.0, 2.0, 4.0, 6.0, 9.0)  # in nats, against saying that a label is there

Smooth = Callable[[Floats, float], Floats]  # scores (clips, labels) of one scene, and a bias, to smoothed ones
Chosen = tuple[float, float]  # threshold and bias, for all labels alike


@dataclasses.dataclass(frozen=True, slots=True)
class Markov:
    """A label is there or not; it stays so for a while, and its scores fall into bins accordingly."""

    stay: Floats  # (2, 2) log-probabilities from state to state over one hop
    emit: Floats  # (2, bins)

    def decide(self, scores: Floats, lag: int, bias: float) -> Floats:
        """Viterbi's best path up to each hop, read `lag` hops before its end: 0 or 1 for each of (clips,) scores."""
        seen = self.emit[:, np.digitize(scores, BINS)] - np.array([[0.0], [bias]])
        best, back = seen[:, 0] + np.log([0.99, 0.01]), np.zeros((len(scores), 2), int)
        decided = np.zeros(len(scores), np.float32)
        for n in range(len(scores)):
            if n:
                ways = best[:, None] + self.stay
                back[n], best = ways.argmax(axis=0), ways.max(axis=0) + seen[:, n]
            state = int(best.argmax())
            for step in range(n, max(0, n - lag), -1):
                state = back[step][state]
            decided[n] = state
        return decided


def learn(heard: Sequence[HeardScene], labels: Sequence[str], rate: int) -> list[Markov]:
    """A model of each label from scenes and what there was to hear; rare labels lean on what all have in common."""
    moves, seen = np.zeros((len(labels), 2, 2)), np.zeros((len(labels), 2, len(BINS) + 1))
    for scene in heard:
        scores = np.stack([prediction.scores for prediction in scene.predictions])
        there = _there(scene, labels, rate)
        for n in range(len(labels)):
            np.add.at(seen[n], (there[:, n], np.digitize(scores[:, n], BINS)), 1)
            np.add.at(moves[n], (there[:-1, n], there[1:, n]), 1)
    moves += PSEUDO * _rates(moves.sum(axis=0))
    seen += PSEUDO * _rates(seen.sum(axis=0))
    return [Markov(np.log(_rates(moves[n])), np.log(_rates(seen[n]))) for n in range(len(labels))]


def compare(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """A row for each way: F1 and latency over all folds, each judged with what the others taught."""
    totals: dict[str, list[Any]] = {}
    for fold in folds:
        others = [other for other in folds if other is not fold]
        scaled = fit_scores(others)
        train = [calibrated(scene, scaled) for other in others for scene in other.heard]
        test = [calibrated(scene, scaled) for scene in fold.heard]
        recipe = fold.trained.recipe
        models = learn(train, recipe.labels, recipe.spec.sample_rate)
        for way in _ways(models):
            scored = [(f1(_counts(recipe, train, way, candidate)[0]), candidate) for candidate in way.candidates]
            chosen = max(scored)[1]
            totals.setdefault(way.name, []).append((chosen, *_counts(recipe, test, way, chosen)))
            log.info("%s, fold %s: %.3f", way.name, recipe.leave_out_fold, f1(totals[way.name][-1][1]))
    return [_row(name, results) for name, results in totals.items()]


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """What is done to scores before the tracker, and how much of the past its own mean then keeps."""

    name: str
    weight: float
    smooth: Smooth
    candidates: tuple[Chosen, ...] = tuple((on, 0.0) for on in ON)


def _ways(models: Sequence[Markov]) -> list[Way]:
    exponential = [Way(f"exponential, {weight:g} of the past", weight, _as_they_are) for weight in (0.0, 0.3, 0.5, 0.7)]
    medians = [Way(f"median of {width}", 0.0, partial(_median, width=width)) for width in (3, 5)]
    decided = tuple((0.5, bias) for bias in BIASES)
    markov = [
        Way(f"Markov, lag of {lag}", 0.0, partial(_decided, models=models, lag=lag), decided) for lag in (0, 1, 2)
    ]
    return [*exponential, *medians, *markov]


def _as_they_are(scores: Floats, _: float) -> Floats:
    return scores


def _decided(scores: Floats, bias: float, models: Sequence[Markov], lag: int) -> Floats:
    return np.stack([model.decide(scores[:, n], lag, bias) for n, model in enumerate(models)], axis=1)


def _median(scores: Floats, _: float, width: int) -> Floats:
    """The median of each score and those before it."""
    padded = np.concatenate([np.zeros((width - 1, scores.shape[1]), np.float32), scores])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)
    median: Floats = np.median(windows, axis=2).astype(np.float32)
    return median


def _counts(recipe: Recipe, heard: Sequence[HeardScene], way: Way, chosen: Chosen) -> tuple[np.ndarray, list[float]]:
    """True events, hits and false alarms of all labels, and how late each hit was in s."""
    on, bias = chosen
    judge = Judge(recipe.spec, recipe.labels, [_smoothed(scene, way.smooth, bias) for scene in heard], way.weight)
    counts, late = np.zeros(3), []
    for label, rule in rules_for(recipe.labels).items():
        some, seconds = judge.judged(label, rule, on=on, off=on / 2, frame=FRAME)
        counts += some
        late += seconds
    return counts, late


def _smoothed(scene: HeardScene, smooth: Smooth, bias: float) -> HeardScene:
    scores = smooth(np.stack([prediction.scores for prediction in scene.predictions]), bias)
    said = [dataclasses.replace(p, scores=scores[n]) for n, p in enumerate(scene.predictions)]
    return HeardScene(said, scene.truth)


def _row(name: str, results: list[Any]) -> dict[str, Any]:
    counts = np.sum([result[1] for result in results], axis=0)
    late = np.concatenate([result[2] for result in results])
    return {
        "smoothing": name,
        "f1": round(f1(counts), 4),
        "true": int(counts[0]),
        "hit": int(counts[1]),
        "false": int(counts[2]),
        "latency_p50_s": round(float(np.median(late)), 2),
        "latency_p95_s": round(float(np.quantile(late, 0.95)), 2),
        "chosen": [list(result[0]) for result in results],
    }


def _there(scene: HeardScene, labels: Sequence[str], rate: int) -> np.ndarray:
    """Whether each label sounds in the last second of each clip: int (clips, labels)."""
    stops_s = np.array([prediction.span.stop / rate for prediction in scene.predictions])
    there = np.zeros((len(stops_s), len(labels)), int)
    for true in scene.truth:
        if true["label"] in labels:
            inside = (stops_s >= true["onset_s"]) & (stops_s <= true["offset_s"] + 1.0)
            there[inside, labels.index(true["label"])] = 1
    return there


def _rates(counts: np.ndarray) -> Floats:
    rates: Floats = (counts + 1e-3) / (counts + 1e-3).sum(axis=-1, keepdims=True)
    return rates


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.experiments.smoothing", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--runs", type=Path, default=Path("runs") / "cv", help="folder of fold*/checkpoint.pt")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4], help="of the scenes")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    return command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    check_place(options.out)
    write_table(options.out, compare([hear(folder, options.seeds, MINUTES) for folder in left_out(options.runs)]))


if __name__ == "__main__":
    sys.exit(main())
