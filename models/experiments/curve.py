"""What more data would give.

Trainings of the whole recipe that left out the same fold, and some of them others too, measured on that fold.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.data.recordings import DataError, read_all
from models.evaluation.report.ablation import FIGURES
from models.evaluation.tables import check_place, write_table
from models.experiments.ablate import measure
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command
from models.training.recipe import Recipe
from models.training.settings import changed

log = logging.getLogger(__name__)


def row(folder: Path) -> dict[str, Any]:
    """What a run was trained on, and its figures in per cent on the fold that it left out."""
    trained = checkpoint.load(folder / "checkpoint.pt")
    fold = tested_on(trained, folder)
    recipe = trained.recipe
    heard = [
        r
        for r in read_all(trained.data)
        if r.fold not in recipe.left_out and r.dataset not in recipe.leave_out_datasets
    ]
    folds = sorted({recording.fold for recording in heard})
    sources = {(r.dataset, r.source) for r in heard if set(r.labels) & set(recipe.labels)}
    figures = measure(folder / "checkpoint.pt", fold)
    return {
        "folds": ", ".join(map(str, folds)),
        "recordings": len(sources),
        **{FIGURES[name]: round(100 * figures[name], 1) for name in FIGURES if name in figures},
    }


def tested_on(trained: Checkpoint, folder: Path) -> int:
    """The fold that a run left out. DataError where it left none out, or was not trained to its end."""
    recipe = trained.recipe
    if recipe.leave_out_fold is None:
        raise DataError(f"{folder}: trained on every fold. Train it with --leave-out-fold.")
    if trained.step < recipe.steps:
        raise DataError(f"{folder}: at step {trained.step} of {recipe.steps}. Go on with --resume.")
    return recipe.leave_out_fold


def table(folders: Sequence[Path]) -> tuple[list[dict[str, Any]], str]:
    """A row for each run, the most data first, and a note. DataError where they are of several folds."""
    folds = {tested_on(checkpoint.load(folder / "checkpoint.pt"), folder) for folder in folders}
    if len(folds) > 1:
        raise DataError(f"the runs left out folds {', '.join(map(str, sorted(folds)))}: give runs of one.")
    recipe = _the_same(folders)
    rows = sorted(map(row, folders), key=lambda figures: -figures["recordings"])
    other = ", ".join([f"{recipe.steps} steps", *changed(recipe, Recipe(steps=recipe.steps))])
    note = f"Figures on fold {folds.pop()}, in per cent, of the recipe ({other}) trained on the folds named."
    return rows, f"{note} Recordings are those that files were cut from; what is synthesised is the same in all."


def _the_same(folders: Sequence[Path]) -> Recipe:
    """What all runs were trained by, but for the folds. DataError where they differ in more than those."""
    first, *others = (
        replace(checkpoint.load(folder / "checkpoint.pt").recipe, leave_out_fold=None, fewer_folds=())
        for folder in folders
    )
    for folder, other in zip(folders[1:], others, strict=True):
        if differing := changed(other, first):
            raise DataError(
                f"{folder}: trained with {', '.join(differing)}, unlike {folders[0]}. Compare equal recipes."
            )
    return first


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.experiments.curve", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a training with a fold left out")
    ap.add_argument("--out", type=Path, required=True, help="JSON file of the table")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    return command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    check_place(options.out)
    write_table(options.out, *table(options.runs))


if __name__ == "__main__":
    sys.exit(main())
