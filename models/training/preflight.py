"""What a training is begun with: what was asked for, what is there, and what of it cannot be."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from listener.pipeline.features import FeatureSpec
from models.data.bank import SYNTHESISED
from models.data.pool import Pool
from models.data.recordings import DataError, Recording, counted, passed_over, read_all
from models.evaluation.yamnet import FILE, convolutions
from models.network.network import make_net, multiply_adds
from models.training import parallel
from models.training.recipe import OF_STAGES, Recipe, Shape
from models.training.settings import changed, with_settings

log = logging.getLogger(__name__)


def asked(options: argparse.Namespace, begun: Recipe) -> Recipe:
    """A recipe with all that flags say; what they do not say stays."""
    of_mixing = {"clips": options.clips, "labels": options.labels and tuple(options.labels)}
    of_recipe = {
        "seed": options.seed,
        "steps": options.steps,
        "leave_out_fold": options.leave_out_fold,
        "leave_out_datasets": options.leave_out_dataset and tuple(options.leave_out_dataset),
    }
    try:
        mixing = replace(begun.mixing, **_said(of_mixing))
        return with_settings(replace(begun, mixing=mixing, **_said(of_recipe)), options.set)
    except ValueError as err:
        raise DataError(f"no such training: {err}") from err


def check_place(out: Path, device: str) -> None:
    """DataError where it cannot train, or not write; the folder is made."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DataError(
            "--device cuda: torch finds no such device here. Leave the flag out, or install torch for CUDA."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise DataError(f"--out {out}: no folder can be made there ({err.strerror}). Name another.") from err


def told(data: Sequence[Path], labels: Sequence[str]) -> list[Recording]:
    """The recordings of some labels, after a line in the log on them, and lines on what is left aside."""
    recordings = read_all(data)
    if parallel.rank() == 0:
        for line in filter(None, [counted(recordings, labels), *map(passed_over, data)]):
            log.info("%s", line)
    return [recording for recording in recordings if set(recording.labels) & set(labels)]


def check_folds(recipe: Recipe, recordings: Sequence[Recording]) -> None:
    """DataError where a fold to leave out has no recording: such a run would be taken for a test of it."""
    there = sorted({recording.fold for recording in recordings})
    if there and (strangers := [fold for fold in recipe.left_out if fold not in there]):
        raise DataError(
            f"no recording is of fold {_listed(strangers)}, to be left out: there are folds {_listed(there)}."
        )


def check_datasets(recipe: Recipe, data: Sequence[Path]) -> None:
    """DataError where a data set to do without is none: what it was to keep out would be learned."""
    there = sorted({recording.dataset for recording in read_all(data)} | {SYNTHESISED})
    if strangers := sorted(set(recipe.leave_out_datasets) - set(there)):
        raise DataError(f"--leave-out-dataset {_listed(strangers)}: no such data set; there are {_listed(there)}.")


def check_shape(recipe: Recipe) -> None:
    """DataError where no network can be made of the recipe's numbers, before hours go into its clips.

    Likewise where some of them would change nothing.
    """
    if idle := _idle(recipe):
        have, other = ("YAMNet's layers", "stages of our own have: add --set shape.pretrained=0 --steps 6000")
        if not recipe.shape.pretrained:
            have, other = ("stages of our own", "YAMNet's layers have: leave shape.pretrained as it is")
        raise DataError(f"{', '.join(idle)}: {have} have no such number, {other}")
    try:
        multiply_adds(make_net(recipe), recipe.spec.mels, recipe.spec.columns)
    except (RuntimeError, ValueError) as err:
        numbers = ", ".join(changed(recipe.shape, Shape(), "shape.") + changed(recipe.spec, FeatureSpec(), "spec."))
        raise DataError(f"no network can be made of {numbers or 'the recipe'}: {err}") from err


def check_pretrained(recipe: Recipe, path: Path) -> None:
    """DataError where YAMNet's layers are to be begun with and cannot be read, before hours go into the clips."""
    if not recipe.shape.pretrained:
        return
    if not path.is_file():
        raise DataError(
            f"{path}: YAMNet, whose layers this network begins with, is not here. Put {FILE} there, or begin with "
            "nothing: --set shape.pretrained=0 --steps 6000 (2000 for a handful of labels)"
        )
    convolutions(path)


def check_heard(recordings: Sequence[Recording], pool: Pool) -> None:
    """Warn of folds of which a pool has no clip: it is made in shards of one fold each, a small one of a few."""
    if unheard := {recording.fold for recording in recordings} - set(pool.fold.tolist()):
        log.warning("nothing of fold %s is heard: give more --clips, some thousand", _listed(sorted(unheard)))


def nothing_left(folds: NDArray[np.uint8], left_out: Sequence[int]) -> str:
    """Why: a small pool has clips of few folds."""
    there = np.unique(folds).tolist()
    if set(there) <= set(left_out):
        few = f"the pool has clips of fold {_listed(there)} only, left out here"
        return f"{few}: give more --clips, some thousand, or recordings of other folds."
    return "nothing is left to train on: leave out less."


def _idle(recipe: Recipe) -> list[str]:
    """The settings that are not the default's and mean nothing to the body that the recipe has."""
    of_stages, of_layers = (*(f"shape.{name}" for name in OF_STAGES), "front_end"), ("shape.frozen", "pretrained_rate")
    names = of_stages if recipe.shape.pretrained else of_layers
    return [name for name in names if attrgetter(name)(recipe) != attrgetter(name)(Recipe())]


def _said(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _listed(things: Sequence[object]) -> str:
    return ", ".join(map(str, things))
