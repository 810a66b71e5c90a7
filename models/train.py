"""Train a network: python -m models.train --out runs/first --leave-out-fold 3

Seed, pool, net, optimiser, loop, save. Every number is in the recipe; the checkpoint carries it. Several GPUs:
torchrun --nproc-per-node 2 -m models.train …, which shares each batch out among them.
"""

import argparse
import copy
import logging
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from models import checkpoint, parallel
from models.beginning import asked, check_folds, check_heard, check_place, nothing_left, told
from models.checkpoint import Checkpoint
from models.command import command, noted_interrupts
from models.data import DataError
from models.embedding import fitted
from models.losses import losses
from models.mixing import FRAMES
from models.network import SoundNet, make_net
from models.peer import PEER
from models.pool import CACHE, DATA, Pool, open_pool
from models.recipe import Mixing, Recipe
from models.regularise import Batch, regularise
from models.resuming import begun_so, begun_with
from models.settings import resuming_command

log = logging.getLogger(__name__)

SAVE_EVERY_S = 120.0
REPORT_EVERY = 25  # steps
WARM_UP = 0.06  # share of the steps in which the learning rate rises
FINAL_RATE = 0.002  # of the peak
TEACHER_SAMPLE = 2000  # clips whose logits give the teacher's means and deviations


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is carried out. One that was stopped and resumed ends with the weights of an unbroken one.

    Not so on another device, which draws other random numbers (`models.regularise`), nor among another number of
    processes: pairs, contrast and the statistics of BatchNorm are of each one's share of the batch.
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
    torch.manual_seed(recipe.seed)
    net = make_net(recipe).to(manner.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(net).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay)
    first = _take_up(earlier, net, averaged, optimiser) if earlier else 0
    batches = Batches(recipe, pool, manner.device)
    steps = range(first, min(recipe.steps, manner.until or recipe.steps))
    learner: torch.nn.Module = Learner(net, recipe)
    if parallel.world() > 1:
        learner = DistributedDataParallel(learner, find_unused_parameters=True)

    def save(step: int) -> None:
        if parallel.rank() == 0:
            states = averaged.state_dict(), net.state_dict(), optimiser.state_dict()
            checkpoint.save(path, Checkpoint(recipe, pool.filters, step, *states, data=tuple(data)))

    started = saved = time.monotonic()
    report = _Report(out)
    with noted_interrupts() as interrupted:  # or a step is broken off halfway, and cannot be gone on with
        for step in tqdm(steps, "training", mininterval=5, disable=parallel.rank() > 0):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe, step)
            parts = _step(learner, net, optimiser, batches, step)
            _average(averaged, net, min(recipe.ema_decay, (1 + step) / (10 + step)))
            clips_a_second = (step - first + 1) * recipe.batch / (time.monotonic() - started)
            report(step, parts, learning_rate(recipe, step), clips_a_second)
            if interrupted() or time.monotonic() - saved > SAVE_EVERY_S:
                saved = time.monotonic()
                save(step + 1)
            if interrupted():
                raise KeyboardInterrupt(
                    f"stopped after step {step + 1}; go on with {resuming_command(out, manner.device)}"
                )
        save(max(first, steps.stop))
    return path


def learning_rate(recipe: Recipe, step: int) -> float:
    """A short rise, then half a cosine down to next to nothing."""
    progress = step / max(1, recipe.steps)
    if progress < WARM_UP:
        return recipe.peak_rate * (step + 1) / (WARM_UP * recipe.steps + 1)
    fall = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return recipe.peak_rate * (FINAL_RATE + (1 - FINAL_RATE) * fall)


class Batches:
    """Batches by the number of their step: the same for the same recipe and pool, whatever went before."""

    def __init__(self, recipe: Recipe, pool: Pool, device: str) -> None:
        self.recipe, self._pool, self._device = recipe, pool, device
        left_out = [n for n, label in enumerate(recipe.mixing.labels) if label in recipe.leave_out_labels]
        self._labels = np.array([n for n in range(len(recipe.mixing.labels)) if n not in left_out])
        clips = pool.without(recipe.left_out, recipe.leave_out_datasets, left_out)
        self._clips = clips if recipe.mixtures else clips[pool.targets[clips].sum(axis=1) <= 1]
        if not len(self._clips):
            raise DataError(nothing_left(pool.fold, recipe.left_out))
        if len(pool.teacher):
            some = pool.teacher[self._clips[: TEACHER_SAMPLE * 4 : 4]].astype(np.float32)
            self._teacher_mean, self._teacher_scale = some.mean(axis=(0, 1)), some.std(axis=(0, 1)) + 1

    def __call__(self, step: int) -> Batch:
        """This process's share of a step's batch, changed as the recipe says."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + step * 101 + parallel.rank())
        share = self.recipe.batch // parallel.world()
        rng = np.random.default_rng([self.recipe.seed, step])
        chosen = rng.choice(self._clips, self.recipe.batch)[parallel.rank() * share :][:share]
        return regularise(self._gathered(chosen), self.recipe)

    def _gathered(self, clips: np.ndarray) -> Batch:
        pool = self._pool
        teacher = np.zeros((len(clips), 0, 0), np.float32)
        if len(pool.teacher) and self.recipe.teacher_loss:
            teacher = (pool.teacher[clips].astype(np.float32) - self._teacher_mean) / self._teacher_scale
        frames = np.unpackbits(pool.frames[clips], axis=2, count=FRAMES)[:, self._labels]
        arrays = (
            pool.mel[clips].astype(np.float32),
            pool.targets[clips][:, self._labels],
            pool.known[clips][:, self._labels],
            frames.astype(bool),
            teacher,
        )
        return Batch(*(torch.from_numpy(array).to(self._device, non_blocking=True) for array in arrays))


class Learner(torch.nn.Module):
    """A network and its losses in one call: DistributedDataParallel must see every use of a weight."""

    def __init__(self, net: SoundNet, recipe: Recipe) -> None:
        super().__init__()
        self.net, self._recipe = net, recipe

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return losses(self.net, self.net(batch.mel), batch, self._recipe)


def _step(
    learner: torch.nn.Module, net: SoundNet, optimiser: torch.optim.Optimizer, batches: Batches, step: int
) -> dict[str, Tensor]:
    batch = batches(step)
    net.train()
    with torch.autocast(batch.mel.device.type, torch.bfloat16):  # twice as fast with AVX512-BF16, and on CUDA
        parts = learner(batch)
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimiser.step()
    return {name: part.detach() for name, part in parts.items()}


@torch.no_grad()
def _average(averaged: SoundNet, net: SoundNet, decay: float) -> None:
    for mean, value in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _take_up(earlier: Checkpoint, net: SoundNet, averaged: SoundNet, optimiser: torch.optim.Optimizer) -> int:
    """Put everything back as it was saved; the step to go on with."""
    net.load_state_dict(earlier.weights)
    averaged.load_state_dict(earlier.averaged)
    optimiser.load_state_dict(earlier.optimiser)
    return earlier.step


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
