"""What each part of the recipe is worth.

Short trainings of a base with one thing changed, several seeds, on folds left out; a run that is already in the file
is not run again. The base is the recipe as it was before the table spoke: what it recommended is in the recipe now.
The file says which base it is of, and takes no runs of another.
"""

import argparse
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from models.data.caching import whole
from models.data.recordings import DataError, read_all
from models.evaluation.measures import accuracies
from models.evaluation.test_split import mixture_precision, read_files, unseen_files, unseen_mixtures
from models.network.network import multiply_adds
from models.training import checkpoint
from models.training.command import command
from models.training.recipe import Recipe, from_plain, to_plain
from models.training.settings import with_settings

log = logging.getLogger(__name__)

STEPS = 1000
BANDS = {"mixing.spec.f_min_hz": "50", "mixing.spec.f_max_hz": "8000", "mixing.spec.mel_scale": "slaney"}
BASE = {"shape.pretrained": "0", "front_end": "log-mel", "contrast_loss": "0.05"} | BANDS
VARIANTS: dict[str, dict[str, str]] = {
    "the base": {},
    "transparent: no pairs added": {"pairs": "0"},
    "transparent: single sounds only": {"pairs": "0", "mixtures": "0"},
    "axes: no frequency channel": {"shape.frequency": "0"},
    "axes: sub-spectral normalisation": {"shape.sub_bands": "4"},
    "harmonics: kernels of 9 mels": {"shape.tall": "9"},
    "harmonics: octaves stacked": {"shape.harmonics": "1"},
    "rhythm: modulation spectrum beside": {"shape.modulation": "32"},
    "serial: frames deaf to each other": {"shape.serial": "none"},
    "serial: recurrent": {"shape.serial": "gru"},
    "serial: mean over time": {"shape.pooling": "mean"},
    "serial: highest moment": {"shape.pooling": "max"},
    "frames: no loss of their own": {"frame_loss": "0"},
    "level kept": {"shape.level_free": "0"},
    "a teacher": {"teacher_loss": "0.2"},
    "no contrast": {"contrast_loss": "0"},
    "no Freq-MixStyle": {"mix_style": "0"},
    "no masks": {"masks": "0"},
    "no dropout": {"dropout": "0"},
    "a device response more, pitch moved": {"response_db": "4", "pitch_rows": "2"},
    "stronger contrast": {"contrast_loss": "0.3"},
    "front end: MFCC": {"front_end": "mfcc"},
    "front end: PLP": {"front_end": "plp"},
    "front end: PCEN": {"front_end": "pcen"},
    "front end: log-mel and PCEN": {"front_end": "log-mel and pcen"},
    "data: one fold less": {"fewer_folds": "3"},  # for folds 1 and 2 left out; of fold 3 it takes nothing more
    "data: two folds less": {"fewer_folds": "3,4"},
    "half as wide": {"shape.widths": "12,24,40,64"},
    "twice the cost": {"shape.widths": "24,48,96,128"},
}
WHICH = ("name", "fold", "seed", "steps")  # tells a run from the others
OWN = {"seed", "steps", "leave_out_fold"}  # what each run has for itself of a recipe


def recipe_of(name: str) -> Recipe:
    """What a variant is trained by, its fold, seed and steps aside."""
    return with_settings(Recipe(), [f"{key}={value}" for key, value in (BASE | VARIANTS[name]).items()])


def measure(path: Path, fold: int) -> dict[str, Any]:
    """The figures of a checkpoint on a fold: accuracies of files, precision in mixtures, and what a clip costs."""
    trained = checkpoint.load(path)
    recipe = trained.recipe
    net = trained.net()
    pool = unseen_mixtures(recipe.mixing, trained.data)
    recordings = [r for r in read_all(trained.data) if r.fold == fold and r.labels[0] in recipe.labels]
    figures: dict[str, Any] = {"multiply_adds": multiply_adds(net, recipe.spec.mels, recipe.spec.columns)}
    answer = trained.answerer()
    for files in (
        read_files(recordings, recipe.spec, trained.filters),
        unseen_files(recipe.labels, 30, recipe.spec, trained.filters),
    ):
        figures |= accuracies(files, files.scores(lambda mels: answer(mels)[0]), recipe.labels)
    numbers = [n for n, label in enumerate(recipe.mixing.labels) if label in recipe.labels]
    figures["clips_map"], figures["frames_map"] = mixture_precision(lambda mels: answer(mels)[:2], pool, fold, numbers)
    return figures


class _Table:
    """The runs done so far, on disk, below the base that they were all made from."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._runs: list[dict[str, Any]] = []
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            if not _is_the_base(content.get("base")):
                raise DataError(f"{path}: its runs are of another base, or another recipe. Give another --out.")
            self._runs = content["runs"]

    def has(self, **run: Any) -> bool:
        return any(all(done[key] == value for key, value in run.items()) for done in self._runs)

    def add(self, run: dict[str, Any]) -> None:
        """Write it down, in place of one by older settings."""
        with self._lock:
            self._runs = [done for done in self._runs if any(done[key] != run[key] for key in WHICH)] + [run]
            base = json.dumps({key: value for key, value in to_plain(recipe_of("the base")).items() if key not in OWN})
            lines = ",\n  ".join(json.dumps(done) for done in self._runs)
            with whole(self._path) as file:
                file.write(f'{{"base": {base},\n"runs": [\n  {lines}\n]}}\n'.encode())


def _is_the_base(plain: dict[str, Any] | None) -> bool:
    """Whether the runs of a file are of today's base; it may have been written down before all numbers were there."""
    try:
        return plain is not None and from_plain(plain) == recipe_of("the base")
    except ValueError:  # it has numbers that a recipe has no more
        return False


def _run(table: _Table, work: Path, run: dict[str, Any]) -> None:
    if table.has(**run):
        return
    name, fold, seed, steps = (run[key] for key in WHICH)
    out = work / f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{fold}-{seed}-{steps}"
    settings = [word for key, value in (BASE | VARIANTS[name]).items() for word in ("--set", f"{key}={value}")]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "models.train", "--out", str(out), "--leave-out-fold", str(fold), "--seed", str(seed),
         "--steps", str(steps), "--threads", "1", *settings], capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise DataError(f"{name}: training failed: {_last_words(done)}")
    figures = measure(out / "checkpoint.pt", fold)
    table.add(run | {"seconds": round(time.monotonic() - started)} | figures)
    log.info("%-34s fold %d seed %d: %s", name, fold, seed, {k: round(v, 4) for k, v in figures.items()})


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Of a command that failed; one that was killed, for its memory perhaps, says nothing."""
    return done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.experiments.ablate", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--out", type=Path, required=True, help="JSON file of the runs; continued if it is there")
    ap.add_argument("--work", type=Path, default=Path("runs") / "ablation", help="where checkpoints go")
    ap.add_argument("--only", nargs="+", default=list(VARIANTS), choices=VARIANTS, metavar="NAME")
    ap.add_argument("--folds", type=int, nargs="+", default=[1, 2])
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    ap.add_argument("--steps", type=int, default=STEPS)
    ap.add_argument("--at-once", type=int, default=2, help="runs side by side, a thread each")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    return command(lambda: _all(options))


def _all(options: argparse.Namespace) -> None:
    table = _Table(options.out)
    runs = [
        {"name": name, "fold": fold, "seed": seed, "steps": options.steps, "settings": VARIANTS[name]}
        for seed in options.seeds
        for fold in options.folds
        for name in options.only
    ]
    with ThreadPoolExecutor(options.at_once) as threads:
        list(threads.map(lambda run: _run(table, options.work, run), runs))


if __name__ == "__main__":
    sys.exit(main())
