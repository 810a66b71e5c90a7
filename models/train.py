"""Train a network: python -m models.train --out runs/first --leave-out-fold 3

Seed, pool, net, optimiser, loop, save. Every number is in the recipe; the checkpoint carries it. Several GPUs:
torchrun --nproc-per-node 2 -m models.train …, which shares each batch out among them.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from models.data.pool import CACHE, DATA, Pool, open_pool
from models.data.recordings import DataError
from models.evaluation.yamnet import PEER
from models.network.embedding import fitted
from models.training import checkpoint, parallel
from models.training.command import command, noted_interrupts
from models.training.preflight import (
    asked,
    check_datasets,
    check_folds,
    check_heard,
    check_place,
    check_pretrained,
    check_shape,
    told,
)
from models.training.recipe import Mixing, Recipe
from models.training.resume import begun_so, begun_with
from models.training.settings import resuming_command
from models.training.trainer import Batches, Learning, learning_rate

log = logging.getLogger(__name__)

SAVE_EVERY_S = 120.0
REPORT_EVERY = 25  # steps


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is carried out. One that was stopped and resumed ends with the weights of an unbroken one.

    Not so on another device, which draws other random numbers (`models.training.regularise`), nor among another
    number of processes: pairs, contrast and the statistics of BatchNorm are of each one's share of the batch.
    """

    resume: bool = False
    device: str = "cpu"
    until: int | None = None  # stop after this step, to be resumed


def train(recipe: Recipe, pool: Pool, out: Path, manner: Manner, data: Sequence[Path] = (DATA,)) -> Path:
    """Train as the recipe says; the checkpoint's path. A run that was interrupted goes on where it was saved.

    `data` are the folders that the pool was made of. DataError where what is to go on was begun otherwise. After a
    Ctrl-C it saves, and KeyboardInterrupt says how to go on.
    """
    path = out / "checkpoint.pt"
    earlier = checkpoint.load(path) if manner.resume else None
    if earlier:
        begun_so(earlier, recipe, data)
        begun_with(earlier, pool)
    learning, batches = Learning(recipe, manner.device, earlier), Batches(recipe, pool, manner.device)

    def save() -> None:
        if parallel.rank() == 0:
            checkpoint.save(path, learning.checkpoint(pool, tuple(data)))

    steps = range(learning.step, min(recipe.steps, manner.until or recipe.steps))
    report, started = _Report(out), time.monotonic()
    saved = started
    with noted_interrupts() as interrupted:  # or a step is broken off halfway, and cannot be gone on with
        for step in tqdm(steps, "training", mininterval=5, disable=parallel.rank() > 0):
            parts = learning(batches(step))
            _check(parts, step)
            clips_a_second = (step - steps.start + 1) * recipe.batch / (time.monotonic() - started)
            report(step, parts, learning_rate(recipe, step), clips_a_second)
            if interrupted() or time.monotonic() - saved > SAVE_EVERY_S:
                saved = time.monotonic()
                save()
            if interrupted():
                remedy = resuming_command(out, manner.device)
                raise KeyboardInterrupt(f"stopped after step {learning.step}; go on with {remedy}")
    save()
    return path


def _check(parts: dict[str, Tensor], step: int) -> None:
    """DataError where a loss is no number any more: nothing is learned from then on, and nothing is saved."""
    if lost := [name for name, part in parts.items() if not part.isfinite()]:
        raise DataError(
            f"step {step}: the loss of {', '.join(lost)} is no number any more. Train anew in another --out, with a "
            "lower rate: --set peak_rate=…"
        )


class _Report:
    """Scalars for TensorBoard, and a line of text for whoever only has the log."""

    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # seconds of import, for runs only

        self._writer = SummaryWriter(str(out)) if parallel.rank() == 0 else None
        self._mean: dict[str, float] = {}

    def __call__(self, step: int, parts: dict[str, Tensor], rate: float, clips_a_second: float) -> None:
        if step % REPORT_EVERY or not self._writer:
            return
        for name, part in parts.items():
            self._mean[name] = 0.7 * self._mean.get(name, float(part)) + 0.3 * float(part)
        scalars = {f"loss/{name}": value for name, value in self._mean.items()}
        scalars |= {"learning_rate": rate, "clips_a_second": clips_a_second}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        if step % (REPORT_EVERY * 20) == 0:
            said = ", ".join(f"{name} {value:.4f}" for name, value in self._mean.items())
            log.info("step %d: %s; %.0f clips a second", step, said, clips_a_second)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    ap = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument(
        "--data", type=Path, action="append", help=f"folder of recordings, may be repeated (default {DATA})"
    )
    ap.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and TensorBoard's scalars")
    ap.add_argument("--leave-out-fold", type=int, help="keep this fold for the test")
    ap.add_argument("--leave-out-dataset", action="append", help="do without a data set; repeatable")
    ap.add_argument("--steps", type=int, help=f"batches in all (default {Recipe().steps})")
    ap.add_argument("--labels", nargs="+", help="labels to learn: names of folders (default: the shipped model's)")
    ap.add_argument("--clips", type=int, help=f"size of the pool (default {Mixing().clips})")
    ap.add_argument("--seed", type=int, help=f"of the first weights and of the batches (default {Recipe().seed})")
    ap.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other number of the recipe")
    ap.add_argument("--resume", action="store_true", help="go on with the checkpoint in --out, as it was begun")
    ap.add_argument("--until", type=int, help="stop after this step; --resume goes on")
    ap.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        help="of torch, and processes that mix (default: every core)",
    )
    ap.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        choices=("cpu", "cuda"),
        help="what learns (here by default: %(default)s)",
    )
    return ap.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    return command(lambda: _train(options))


def _train(options: argparse.Namespace) -> None:
    check_place(options.out, options.device)
    earlier = checkpoint.load(options.out / "checkpoint.pt") if options.resume else None
    recipe = asked(options, earlier.recipe if earlier else Recipe())
    data = tuple(options.data or (earlier.data if earlier else [DATA]))
    if earlier:
        begun_so(earlier, recipe, data)  # before hours go into the pool of another recipe
    if recipe.batch % parallel.world():
        raise DataError(f"{parallel.world()} processes cannot share batches of {recipe.batch}: --set batch=… evenly.")
    recordings = told(data, recipe.mixing.labels)
    check_folds(recipe, recordings)
    check_datasets(recipe, data)
    check_shape(recipe)
    if not earlier:
        check_pretrained(recipe, PEER)
    with parallel.started(options.device):
        peer = PEER if recipe.teacher_loss else None
        pool = open_pool(recipe.mixing, data, cache=CACHE, peer=peer, workers=options.threads)
        check_heard(recordings, pool)
        manner = Manner(options.resume, options.device, options.until)
        path = train(recipe, pool, options.out, manner, data)
        if parallel.rank() == 0 and (trained := checkpoint.load(path)).step == recipe.steps:
            checkpoint.save(path, fitted(trained, pool))
        log.info("wrote %s", path)


if __name__ == "__main__":
    sys.exit(main())
