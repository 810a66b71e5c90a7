"""Probabilities and rules from folds left out: python -m models.calibrate --runs runs/cv

Each model of a cross-validation listens to scenes of the fold that it was not trained on. A fold's scores are
calibrated, and its events judged, with what was fitted on the other folds; what is shipped is fitted on all.
Writes <run>/calibration.json and <run>/scenes.json of every run, and calibration.json beside them.
"""

import argparse
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from msgspec.structs import replace as replace_rule

from export.bundle import About, export
from export.rules import GROUPS, rules_for
from listener.pipeline.bundle import LabelRule
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from models.data import recordings
from models.data.recordings import DataError
from models.evaluation import calibration as calibrations
from models.evaluation import scenes
from models.evaluation.calibration import Calibration, platt
from models.evaluation.event_scoring import Candidate, HeardScene, Judge, Tally, cost, tables
from models.evaluation.test_split import in_portions, mixtures_of, unseen_mixtures
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

MIXTURES = 6000  # of the left-out fold, to calibrate on
CLIPS = 12  # synthesised of each standard label for a fold's scenes,
APART = 100  # from one fold's first to the next's
TYPICAL = 6.0  # events' worth of belief that a label is like the others
FALSE = 1.6  # missed events' worth of a false one
FRIGHTENING = 10.0  # likewise, of labels that wake people
LEAST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Mixed:
    """Raw scores of the left-out fold's mixtures, and what was in them: (clips, labels) each."""

    scores: Floats
    targets: np.ndarray
    known: np.ndarray


@dataclass(frozen=True, slots=True)
class Fold:
    """One run of a cross-validation, and what it made of its left-out fold."""

    folder: Path
    trained: Checkpoint
    scenes: list[Path]
    mixed: Mixed
    heard: list[HeardScene]


def hear(folder: Path, seeds: Sequence[int], minutes: float) -> Fold:
    """Let the model of a run listen to mixtures and scenes of its left-out fold.

    Synthesised sounds have no fold; each fold's scenes have others, and so have its mixtures than training.
    """
    trained = checkpoint.load(folder / "checkpoint.pt")
    fold = trained.recipe.leave_out_fold
    if fold is None:
        raise DataError(f"{folder}: trained on every fold; nothing of it may decide a threshold.")
    export(trained, folder / "raw")
    work = folder.parent / "scenes" / f"fold{fold}"
    listings = [
        *recordings.listings(trained.data, work),
        scenes.write_clips(work / "clips", CLIPS, fold, first=APART * fold),
    ]
    made = scenes.make(work, listings, seeds=seeds, minutes=minutes, fold=fold)
    heard = scenes.side_by_side(lambda scene: listen(folder / "raw", scene), made)
    return Fold(folder, trained, made, _mixed(trained, fold), heard)


def listen(bundle: Path, scene: Path) -> HeardScene:
    """What a bundle's model says of a scene, and what there is to hear in it."""
    truth = json.loads(scene.with_suffix(".json").read_text())["events"]
    return HeardScene(scenes.predictions(bundle, scene), truth)


def fit(folds: Sequence[Fold]) -> Calibration:
    """Scales, offsets and rules from what models made of folds they were not trained on."""
    scaled = fit_scores(folds)
    heard = [calibrated(scene, scaled) for fold in folds for scene in fold.heard]
    return dataclasses.replace(scaled, rules=_rules(folds[0].trained.recipe.spec, scaled, heard))


def fit_scores(folds: Sequence[Fold]) -> Calibration:
    """Scales and offsets alone, the rules being those chosen beforehand."""
    labels = folds[0].trained.recipe.labels
    mixed = [fold.mixed for fold in folds]
    scale, offset = platt(
        np.concatenate([m.scores for m in mixed]),
        np.concatenate([m.targets for m in mixed]),
        np.concatenate([m.known for m in mixed]),
    )
    return Calibration(labels, scale, offset, rules_for(labels))


def _mixed(trained: Checkpoint, fold: int) -> Mixed:
    recipe = trained.recipe
    pool = unseen_mixtures(recipe.mixing, trained.data)
    clips = mixtures_of(pool, fold, MIXTURES)
    columns = [n for n, label in enumerate(recipe.mixing.labels) if label in recipe.labels]
    scores = in_portions(trained.classifier(), pool.mel[clips])
    return Mixed(scores, pool.targets[clips][:, columns], pool.known[clips][:, columns])


def calibrated(scene: HeardScene, calibration: Calibration) -> HeardScene:
    """A scene with its raw scores made probabilities."""
    raw = np.stack([prediction.scores for prediction in scene.predictions])
    scores = calibration.apply(raw)
    said = [dataclasses.replace(p, scores=scores[n]) for n, p in enumerate(scene.predictions)]
    return HeardScene(said, scene.truth)


def _rules(spec: FeatureSpec, calibration: Calibration, heard: Sequence[HeardScene]) -> dict[str, LabelRule]:
    """The rule of each label with the fewest missed, false and late events, leaning on what suits all labels."""
    of_labels = tables(Judge(spec, calibration.labels, heard), calibration.rules)
    rules = {}
    for label, table in of_labels.items():
        believed = {c: tally + TYPICAL * _rate(of_labels.values(), c) for c, tally in table.items()}
        weighs = FRIGHTENING if label in GROUPS["alarm"] else FALSE
        on, share, frame = min((cost(tally, weighs), c) for c, tally in believed.items())[1]
        rules[label] = replace_rule(calibration.rules[label], on=round(on, 3), off=round(on * share, 3), frame=frame)
        log.info("%-18s on %.2f off %.2f frame %.2f: %s", label, on, on * share, frame, table[on, share, frame].round())
    return rules


def _rate(tables: Iterable[dict[Candidate, Tally]], candidate: Candidate) -> Tally:
    """Hits, false alarms and seconds late for one true event, over all labels: (1, hits, false, late)."""
    total: Tally = np.sum([table[candidate] for table in tables], axis=0)
    return total / max(1.0, float(total[0]))


def left_out(runs: Path) -> list[Path]:
    """The runs of a cross-validation. DataError where there are too few, one is unfinished, or two are of one fold."""
    trained = {path.parent: checkpoint.load(path) for path in sorted(runs.glob("fold*/checkpoint.pt"))}
    if len(trained) < LEAST_FOLDS:
        raise DataError(f"{runs}: {len(trained)} runs with a fold left out; thresholds must come from another fold.")
    checkpoint.check_folds_apart(runs, list(trained.values()))
    for folder, run in trained.items():
        if run.step < run.recipe.steps:
            raise DataError(f"{folder}: at step {run.step} of {run.recipe.steps}. Go on with --resume.")
    return list(trained)


def calibrate(runs: Path, seeds: Sequence[int], minutes: float) -> None:
    """Fit and judge every run of a cross-validation, each with what the others say, and keep what all say."""
    folds = [hear(folder, seeds, minutes) for folder in left_out(runs)]
    for fold in folds:
        others = [other for other in folds if other is not fold]
        calibration = fit(others)
        calibrations.write(fold.folder / "calibration.json", calibration)
        export(fold.trained, fold.folder / "bundle", About(calibration=calibration))
        judged = scenes.score(fold.folder / "bundle", fold.scenes)
        (fold.folder / "scenes.json").write_text(json.dumps(judged, indent=1) + "\n")
        log.info("%s: %s", fold.folder, {key: value for key, value in judged.items() if key != "labels"})
    calibrations.write(runs / "calibration.json", fit(folds))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.calibrate", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--runs", type=Path, default=Path("runs") / "cv", help="folder of fold*/checkpoint.pt")
    ap.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)), help="of the scenes")
    ap.add_argument("--minutes", type=float, default=scenes.MINUTES, help="of each scene")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(os.cpu_count() or 1)
    return command(lambda: calibrate(options.runs, options.seeds, options.minutes))


if __name__ == "__main__":
    sys.exit(main())
