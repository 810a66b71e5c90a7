"""A report on a cross-validation: python -m models.evaluate --runs runs/cv --out docs/model

Every run is asked about the fold that it was not trained on: files, as `listener classify --scores` scores them,
beside YAMNet on the same files; and mixtures. What other commands found out (ablation, scenes, …) is put beside it.
"""

import argparse
import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from models.data.pool import DATA
from models.data.recordings import DataError, read_any
from models.evaluation.report import ablation, figures, page, pictures
from models.evaluation.report.runs import Examined, Run, hear, read_runs
from models.evaluation.tables import check_place, read_json, read_table
from models.evaluation.test_split import SYNTHESISED_EACH, unseen_mixtures
from models.evaluation.yamnet import CLASS_MAP, Peer
from models.training.command import command
from models.training.recipe import LABELS
from models.training.settings import training_command

log = logging.getLogger(__name__)

# Results of other commands that belong to a full report.
EXPECTED = {
    "unknown": "sounds of no label",
    "fewshot": "labels learned from a few examples",
}


def report_on(heard: Sequence[Examined]) -> dict[str, Any]:
    """Every figure of some runs. They answer the same labels."""
    labels = heard[0].run.trained.recipe.labels
    folds = [figures.of_run(each) | {"trained_by": _command(each.run)} for each in heard]
    mixed = [each.mixed for each in heard]
    return {
        "labels": list(labels),
        "folds": folds,
        "together": figures.together(folds),
        "confusion": figures.confusion(heard, labels),
        "curves": figures.curves(mixed, labels),
        "reliability": figures.reliabilities(mixed),
    }


def beside(options: argparse.Namespace) -> dict[str, Any]:
    """What other commands found out, and what of it was not given."""
    runs = read_table(options.ablation)["rows"] if options.ablation else []
    named = {what: getattr(options, name) for name, what in EXPECTED.items() if getattr(options, name)}
    named |= dict(options.table)
    return {
        "ablation": ablation.variants(runs),
        "ablation_noise": {figure: ablation.noise(runs, figure) for figure in ablation.FIGURES},
        "scenes": {str(path): read_json(path) for path in options.scenes},
        "tables": {name: read_table(path) for name, path in named.items()},
        "sources": {name: str(path) for name, path in named.items()} | {"ablation": str(options.ablation)},
    }


def missing(report: dict[str, Any], peer_error: str | None) -> list[str]:
    """A line for each thing that a full report has and this one has not, as far as there can be one for its labels."""
    runs, shipped = report["folds"], set(report["labels"]) <= set(LABELS)
    unheard = [f"fold {run['fold']}" for run in runs if not run["scenes"]]
    uncalibrated = [f"fold {run['fold']}" for run in runs if not run["calibrated"]]
    said = {
        f"YAMNet: {peer_error}": peer_error and shipped,
        f"No scenes were given for {', '.join(unheard)} (python -m models.calibrate).": unheard
        and not report["scenes"],
        f"No calibration was given for {', '.join(uncalibrated)} (python -m models.calibrate).": uncalibrated,
        "No ablation was given (--ablation).": shipped and not report["ablation"],
    }
    said |= {
        f"No table of {what} was given (--{name}).": shipped and what not in report["tables"]
        for name, what in EXPECTED.items()
    }
    return [*_unasked(report), *(words for words, is_missing in said.items() if is_missing)]


def _unasked(report: dict[str, Any]) -> list[str]:
    """A line for each fold that has no recording of some labels: its figures say nothing of them."""
    lines = []
    for run in report["folds"]:
        asked = {label for figures in run["datasets"].values() for label in figures["recall"]}
        if unasked := [label for label in report["labels"] if label not in asked]:
            lines.append(f"Fold {run['fold']} has no recording of {', '.join(unasked)}.")
    return lines


def _command(run: Run) -> str:
    return training_command(run.trained.recipe, run.folder, run.trained.data)


def _named(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"{text}: expected name=path")
    return name, Path(path)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    ap = argparse.ArgumentParser(prog="python -m models.evaluate", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument(
        "--runs", type=Path, required=True, help="folder of trainings (*/checkpoint.pt), a fold left out each"
    )
    ap.add_argument("--out", type=Path, required=True, help="folder for report.md, report.json and the pictures")
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--each", type=int, default=SYNTHESISED_EACH, help="synthesised sounds of each standard label")
    ap.add_argument("--ablation", type=Path, help="JSON of models.experiments.ablate")
    ap.add_argument("--scenes", type=Path, nargs="+", default=[], help="JSON of score_events.py beside the runs' own")
    for name, what in EXPECTED.items():
        ap.add_argument(f"--{name}", type=Path, help=f"JSON table: {what}")
    ap.add_argument(
        "--table", type=_named, action="append", default=[], metavar="NAME=PATH", help="any other JSON table"
    )
    return ap.parse_args(argv)


def _peer() -> tuple[Peer | None, str | None]:
    """YAMNet, or why it is not here."""
    if not CLASS_MAP.is_file():
        return None, f"{CLASS_MAP}: the names of its classes are not here."
    try:
        return Peer(), None
    except DataError as err:
        return None, str(err)


def _report(options: argparse.Namespace, words: Sequence[str]) -> None:
    data = options.data or [DATA]
    check_place(options.out / "report.json")  # first: a wrong path should not cost minutes
    extras = beside(options)
    runs = read_runs(options.runs)
    recordings = [recording for folder in data for recording in read_any(folder)]
    peer, peer_error = _peer()
    heard = []
    for run in runs:
        log.info("fold %d, left out by %s", run.fold, run.folder)
        pool = unseen_mixtures(run.trained.recipe.mixing, data)
        heard.append(hear(run, recordings, pool, each=options.each, peer=peer))
    made_by = {"command": shlex.join(["python", "-m", "models.evaluate", *words]), "date": date.today().isoformat()}
    report = made_by | report_on(heard) | extras
    report["missing"] = missing(report, peer_error)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    page.write(report, pictures.draw(report, options.out), options.out)
    print(page.aligned(page.summary(report)))
    log.info("wrote %s", options.out / "report.md")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(os.cpu_count() or 1)
    return command(lambda: _report(options, sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
