"""The trainings of a cross-validation, and what each says of the fold that it was not trained on."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from listener.pipeline.values import Floats
from models.data.pool import CACHE, Pool
from models.data.recordings import DataError, Recording
from models.data.synthesis import STANDARD
from models.evaluation import calibration as calibrations
from models.evaluation.calibration import Calibration
from models.evaluation.report.yamnet import peer_scores
from models.evaluation.test_split import (
    MOST_CLIPS,
    Files,
    in_portions,
    mixture_precision,
    mixtures_of,
    read_files,
    unseen_files,
)
from models.evaluation.yamnet import HEARD_AS, Peer
from models.training import checkpoint
from models.training.checkpoint import Checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A training that left a fold out. A calibration and scenes lie beside its checkpoint, if they were made of it."""

    folder: Path
    trained: Checkpoint
    fold: int
    calibration: Calibration | None
    scenes: dict[str, Any] | None  # what score_events.py said


@dataclass(frozen=True, slots=True)
class Scored:
    """Files, and what was said of them."""

    files: Files
    scores: Floats  # (files, labels): what a bundle says, calibrated where the run has a calibration
    raw: Floats | None  # as the network gives them, where they are calibrated
    peer: Floats | None  # (files, CLASSES): YAMNet's, where it was asked


@dataclass(frozen=True, slots=True)
class Mixed:
    """The pool's mixtures of the fold left out, and what was said of them: (clips, labels) each."""

    scores: Floats
    calibrated: Floats | None
    targets: np.ndarray
    known: np.ndarray
    clips_map: float
    frames_map: float


@dataclass(frozen=True, slots=True)
class Examined:
    """All that a run was asked."""

    run: Run
    scored: tuple[Scored, ...]
    mixed: Mixed


def read_runs(folder: Path) -> list[Run]:
    """The runs of a folder, by fold; those that left no fold out are no test and are passed over. DataError if none."""
    paths = sorted([*folder.glob("checkpoint.pt"), *folder.glob("*/checkpoint.pt")])
    runs = [run for run in map(_run, paths) if run]
    if not runs:
        raise DataError(
            f"{folder}: no training that left a fold out. Make one: python -m models.train --leave-out-fold 1"
        )
    checkpoint.check_folds_apart(folder, [run.trained for run in runs])
    return sorted(runs, key=lambda run: run.fold)


def hear(
    run: Run, recordings: Sequence[Recording], pool: Pool, *, each: int, peer: Peer | None, cache: Path = CACHE
) -> Examined:
    """Ask a run about its fold's files, so many synthesised sounds of each standard label, and the fold's mixtures."""
    recipe, filters = run.trained.recipe, run.trained.filters
    found = [r for r in recordings if r.fold == run.fold and r.labels[0] in recipe.labels]
    if not found:
        raise DataError(f"fold {run.fold}: none of the recordings is of it. Name the data it was left out of: --data.")
    recorded = read_files(found, recipe.spec, filters, cache)
    comparable = set(recipe.labels) & set(HEARD_AS)
    scored = [_scored(run, recorded, peer_scores(recorded, peer, cache) if peer and comparable else None)]
    if set(recipe.labels) & set(STANDARD) and each:
        scored.append(_scored(run, unseen_files(recipe.labels, each, recipe.spec, filters, cache), None))
    return Examined(run, tuple(scored), _mixed(run, pool))


def _run(path: Path) -> Run | None:
    trained = checkpoint.load(path)
    fold = trained.recipe.leave_out_fold
    if fold is None:
        log.info("%s: trained on every fold, no test of it is here", path)
        return None
    calibration, scenes = path.with_name("calibration.json"), path.with_name("scenes.json")
    for made in filter(Path.is_file, (calibration, scenes)):
        if made.stat().st_mtime < path.stat().st_mtime:
            raise DataError(f"{made}: made of the checkpoint before. Run python -m models.calibrate again.")
    return Run(
        path.parent,
        trained,
        fold,
        _calibration(calibration, trained.recipe.labels),
        json.loads(scenes.read_text()) if scenes.is_file() else None,
    )


def _calibration(path: Path, labels: Sequence[str]) -> Calibration | None:
    if not path.is_file():
        return None
    calibration = calibrations.read(path)
    if calibration.labels != tuple(labels):
        raise DataError(f"{path}: for other labels than the checkpoint's. Run python -m models.calibrate again.")
    return calibration


def _scored(run: Run, files: Files, peer: Floats | None) -> Scored:
    said = in_portions(run.trained.classifier(), files.mels)
    if run.calibration is None:
        return Scored(files, files.mean(said), None, peer)
    return Scored(files, files.mean(run.calibration.apply(said)), files.mean(said), peer)


def _mixed(run: Run, pool: Pool) -> Mixed:
    """The same clips throughout: the first MOST_CLIPS of the fold."""
    recipe, answer = run.trained.recipe, run.trained.answerer()
    columns = [n for n, label in enumerate(recipe.mixing.labels) if label in recipe.labels]
    clips = mixtures_of(pool, run.fold, MOST_CLIPS)
    said = in_portions(run.trained.classifier(), pool.mel[clips])
    return Mixed(
        said,
        run.calibration.apply(said) if run.calibration else None,
        pool.targets[clips][:, columns],
        pool.known[clips][:, columns],
        *mixture_precision(lambda mels: answer(mels)[:2], pool, run.fold, columns),
    )
