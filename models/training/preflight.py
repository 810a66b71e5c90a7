"""Validate flags, data and recipe before training starts."""

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.data.bank import SYNTHESISED
from models.data.pool import training_recordings
from models.data.recordings import DataError, Recording, counted, passed_over
from models.evaluation.yamnet import FILE, convolutions
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe
from models.training.settings import changed, with_settings

log = logging.getLogger(__name__)


def recipe_from_flags(options: argparse.Namespace, begun: Recipe) -> Recipe:
    """A recipe with everything that flags say; the rest stays. DataError for one that cannot be."""
    of_mixing = {"streams": options.streams, "labels": options.labels and tuple(options.labels)}
    of_recipe = {
        "seed": options.seed,
        "start": options.start,
        "steps": options.steps,
        "leave_out_fold": options.leave_out_fold,
        "leave_out_datasets": options.leave_out_dataset and tuple(options.leave_out_dataset),
    }
    if options.bundle or options.labels:  # sounds of one's own have no licence
        of_recipe["free"] = options.bundle == "default"
    try:
        mixing = replace(begun.mixing, **_given(of_mixing))
        return with_settings(replace(begun, mixing=mixing, **_given(of_recipe)), options.set)
    except ValueError as err:
        raise DataError(f"invalid recipe: {err}", code="train-recipe", remedy="Correct the flag.") from err


def check_place(out: Path, device: str) -> None:
    """Raise DataError where training or writing is impossible; make the folder."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DataError(
            "--device cuda: torch finds no such device",
            code="train-device",
            remedy="Leave the flag out, or install torch for CUDA.",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise DataError(
            f"--out {out}: cannot make the folder ({err.strerror})", code="train-out", remedy="Name another."
        ) from err


def log_recordings(data: Sequence[Path], labels: Sequence[str]) -> list[Recording]:
    """The recordings of some folders, after lines in the log on what is used and what is left aside."""
    recordings = training_recordings(data)
    for line in filter(None, [counted(recordings, labels), *map(passed_over, data)]):
        log.info("%s", line)
    return recordings


def check_left_out(recipe: Recipe, recordings: Sequence[Recording]) -> None:
    """Raise DataError where nothing is of a fold or a data set to leave out: the test would be none."""
    folds = sorted({recording.fold for recording in recordings})
    if folds and (strangers := [fold for fold in recipe.left_out if fold not in folds]):
        raise DataError(
            f"no recording is of fold {_listed(strangers)}; there are folds {_listed(folds)}",
            code="train-fold",
            remedy="Leave out one of these.",
        )
    datasets = sorted({recording.dataset for recording in recordings} | {SYNTHESISED})
    if unknown := sorted(set(recipe.leave_out_datasets) - set(datasets)):
        raise DataError(
            f"--leave-out-dataset {_listed(unknown)}: no such data set",
            code="train-dataset",
            remedy=f"Choose from {_listed(datasets)}.",
        )


def check_pretrained(recipe: Recipe, path: Path) -> None:
    """Raise DataError where YAMNet's layers are to be the start and cannot be read."""
    if not recipe.shape.pretrained:
        return
    if not path.is_file():
        raise DataError(
            f"{path}: YAMNet, whose layers the network starts from, is missing",
            code="train-yamnet",
            remedy=f"Put {FILE} there, or start from nothing: --set shape.pretrained=false.",
        )
    convolutions(path)


def check_same_run(earlier: Checkpoint, recipe: Recipe, data: Sequence[Path]) -> None:
    """Raise DataError that names what a run was begun with and what is asked of it now, where the two differ."""
    other = [f"{new} (not {old.partition('=')[2]})" for new, old in _both(recipe, earlier.recipe)]
    if [folder.resolve() for folder in data] != [folder.resolve() for folder in earlier.data]:
        other.append(f"data={_listed(data)} (not {_listed(earlier.data)})")
    if other:
        raise DataError(
            f"--resume continues the run as it was begun, not with {'; '.join(other)}",
            code="train-resume",
            remedy="Train in another --out.",
        )


def _both(recipe: Recipe, earlier: Recipe) -> Iterator[tuple[str, str]]:
    """Each setting in which two recipes differ, as either has it."""
    return zip(changed(recipe, earlier), changed(earlier, recipe), strict=True)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _listed(things: Sequence[object]) -> str:
    return ", ".join(map(str, things))
