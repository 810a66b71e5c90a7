"""Train a network: python -m models.train --out runs/first --leave-out-fold 3

Seed, pool, net, optimiser, loop, save. Every number is in the recipe; the checkpoint carries it.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.data.caching import digest
from models.data.labels import BUNDLES
from models.data.mixing import Mixing
from models.data.pool import DATA, Pool, open_pool, read_pool
from models.data.recordings import DataError
from models.evaluation.yamnet import YAMNET
from models.training import checkpoint
from models.training.batches import Batches, cache_planes, streams_of
from models.training.checkpoint import Checkpoint
from models.training.command import command, noted_interrupts
from models.training.preflight import (
    check_left_out,
    check_place,
    check_pretrained,
    check_same_run,
    log_recordings,
    recipe_from_flags,
)
from models.training.recipe import Recipe
from models.training.settings import resuming_command
from models.training.trainer import Trainer, early_weights, learning_rate

log = logging.getLogger(__name__)

SAVE_EVERY_S = 120.0
REPORT_EVERY = 25  # steps


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is carried out. One that was stopped and resumed ends with the weights of an unbroken one.

    Not so on another device, which draws other random numbers.
    """

    resume: bool = False
    device: str = "cpu"
    until: int | None = None  # stop after this step, to be resumed
    planes: np.ndarray | None = None  # of the pool's streams: the early layers' output


def train(recipe: Recipe, pool: Pool, out: Path, options: RunOptions, data: Sequence[Path] = (DATA,)) -> Path:
    """Train as the recipe says; return the checkpoint's path. An interrupted run continues where it was saved.

    Args:
        recipe: Every number of the run.
        pool: Streams to learn from.
        out: Folder of the checkpoint and of TensorBoard's scalars.
        options: How the run is carried out.
        data: The folders that the pool was made of.

    Raises:
        DataError: The run to resume was begun otherwise.
        KeyboardInterrupt: After a Ctrl-C, once the checkpoint is saved.
    """
    path = out / "checkpoint.pt"
    earlier = checkpoint.load(path) if options.resume else None
    if earlier:
        check_same_run(earlier, recipe, data)
    trainer, batches = Trainer(recipe, options.device, earlier), Batches(recipe, pool, options.device, options.planes)

    def save() -> None:
        averaged, weights, optimiser = trainer.states()
        done = Checkpoint(recipe, pool.filters, trainer.step, averaged, weights, optimiser, data=tuple(data))
        checkpoint.save(path, done)

    steps = range(trainer.step, min(recipe.total_steps, options.until or recipe.total_steps))
    report, saved = _Report(out), time.monotonic()
    with noted_interrupts() as interrupted:  # a step that is broken off halfway cannot be continued
        for step in tqdm(steps, "training", mininterval=10):
            parts = trainer(batches(step))
            _check(parts, step)
            report(step, parts, learning_rate(recipe, step))
            if interrupted() or time.monotonic() - saved > SAVE_EVERY_S:
                saved = time.monotonic()
                save()
            if interrupted():
                remedy = resuming_command(out, options.device)
                raise KeyboardInterrupt(f"stopped after step {trainer.step}; continue with {remedy}")
    save()
    return path


def _check(parts: dict[str, Tensor], step: int) -> None:
    """Raise DataError where a loss is no number any more: nothing is learned from then on, and nothing is saved."""
    if lost := [name for name, part in parts.items() if not part.isfinite()]:
        raise DataError(
            f"step {step}: the loss of {', '.join(lost)} is no number",
            code="train-diverged",
            remedy="Train in another --out with a lower rate: --set peak_rate=…",
        )


class _Report:
    """Scalars for TensorBoard, and a line in the log from time to time."""

    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # seconds of import, for runs only

        self._writer = SummaryWriter(str(out))
        self._mean: dict[str, float] = {}

    def __call__(self, step: int, parts: dict[str, Tensor], rate: float) -> None:
        if step % REPORT_EVERY:
            return
        for name, part in parts.items():
            self._mean[name] = 0.7 * self._mean.get(name, float(part)) + 0.3 * float(part)
        for name, value in {f"loss/{name}": value for name, value in self._mean.items()}.items():
            self._writer.add_scalar(name, value, step)
        self._writer.add_scalar("learning_rate", rate, step)
        if step % (REPORT_EVERY * 4) == 0:
            log.info("step %d: %s", step, ", ".join(f"{name} {value:.4f}" for name, value in self._mean.items()))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    ap = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and TensorBoard's scalars")
    ap.add_argument("--bundle", choices=sorted(BUNDLES), help="the labels and recordings of a shipped bundle")
    ap.add_argument("--leave-out-fold", type=int, help="keep this fold for the test")
    ap.add_argument("--leave-out-dataset", action="append", help="do without a data set; repeatable")
    ap.add_argument("--steps", type=int, help=f"batches of the first phase (default {Recipe().steps})")
    ap.add_argument("--labels", nargs="+", help="labels to learn: names of folders (default: the shipped model's)")
    ap.add_argument("--streams", type=int, help=f"size of the pool (default {Mixing().streams})")
    ap.add_argument("--pool", type=Path, help="folder of a finished pool, whatever it was made of")
    ap.add_argument("--start", help="checkpoint to take the weights from, in place of YAMNet's")
    ap.add_argument("--seed", type=int, help=f"of the first weights and of the batches (default {Recipe().seed})")
    ap.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other number of the recipe")
    ap.add_argument("--resume", action="store_true", help="continue with the checkpoint in --out, as it was begun")
    ap.add_argument("--until", type=int, help="stop after this step; --resume continues")
    ap.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, and processes that mix")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ap.add_argument("--device", default=device, choices=("cpu", "cuda"), help="(here by default: %(default)s)")
    return ap.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    return command(lambda: _train(options))


def _train(options: argparse.Namespace) -> None:
    check_place(options.out, options.device)
    earlier = checkpoint.load(options.out / "checkpoint.pt") if options.resume else None
    recipe = recipe_from_flags(options, earlier.recipe if earlier else Recipe())
    data = tuple(options.data or (earlier.data if earlier else [DATA]))
    if earlier:
        check_same_run(earlier, recipe, data)  # before hours go into the pool of another recipe
    check_left_out(recipe, log_recordings(data, recipe.mixing.labels))
    if not earlier:
        check_pretrained(recipe, YAMNET)
    pool = _pool(recipe, data, options)
    planes = _planes(recipe, pool)
    path = train(recipe, pool, options.out, RunOptions(options.resume, options.device, options.until, planes), data)
    if (trained := checkpoint.load(path)).step == recipe.total_steps:
        from models.network.embedding import fitted

        checkpoint.save(path, fitted(trained, pool))
    log.info("wrote %s", path)


def _pool(recipe: Recipe, data: Sequence[Path], options: argparse.Namespace) -> Pool:
    if options.pool:
        return read_pool(options.pool)
    teacher = YAMNET if recipe.teacher_loss else None
    return open_pool(recipe.mixing, data, teacher=teacher, workers=options.threads)


def _planes(recipe: Recipe, pool: Pool) -> np.ndarray | None:
    """The early layers' output of a pool; nothing where they begin with random weights, which must learn at once."""
    if not recipe.steps or not (recipe.shape.pretrained or recipe.start):
        return None
    net = Trainer(recipe, "cpu").net.eval()
    name = digest([weight.detach().numpy().tobytes() for weight in early_weights(net)])
    return cache_planes(net, pool, streams_of(recipe, pool), pool.folder / f"planes-{name}.npy")


if __name__ == "__main__":
    sys.exit(main())
