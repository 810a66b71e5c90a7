"""Train a network: python -m models.train --out runs/first --leave-out-fold 3

Seed, data, net, optimiser, loop, save. Every number is in the recipe; the checkpoint carries it.
"""

import argparse
import copy
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from listener.features import LogMel
from listener.types import Floats
from models import checkpoint
from models.bank import Bank, open_bank
from models.checkpoint import Checkpoint
from models.command import command
from models.data import read_any, without_fold
from models.frontend import mel_filters
from models.mixing import Mixer, mel_batch
from models.network import SoundNet, make_net
from models.recipe import Recipe
from models.regularise import freq_mix_style, mask_bands
from models.synthesis import STANDARD

log = logging.getLogger(__name__)

DATA = Path("..") / "shared" / "data"
CACHE = Path("runs") / "cache"
SAVE_EVERY_S = 120.0
REPORT_EVERY = 25  # steps
WARM_UP = 0.06  # share of the steps in which the learning rate rises
FINAL_RATE = 0.002  # of the peak

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is carried out. Nothing here changes what comes of it, but for rounding."""

    resume: bool = False
    workers: int = 0
    device: str = "cpu"
    until: int | None = None  # stop after this step, to be resumed
    cache: Path = CACHE


def train(recipe: Recipe, folders: Sequence[Path], out: Path, manner: Manner) -> Path:
    """Train as the recipe says; the checkpoint's path. A run that was interrupted goes on where it was saved."""
    torch.manual_seed(recipe.seed)
    path = out / "checkpoint.pt"
    earlier = checkpoint.load(path) if manner.resume else None
    recipe = earlier.recipe if earlier else recipe
    filters = earlier.filters if earlier else mel_filters(recipe.spec)
    bank = training_bank(recipe, folders, manner.cache)
    net = make_net(recipe).to(manner.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(net).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay)
    first = _take_up(earlier, net, averaged, optimiser) if earlier else 0
    steps = range(first, min(recipe.steps, manner.until or recipe.steps))
    batches = _batches(_Mixtures(recipe, bank, filters), steps, manner.workers)
    snapshot = partial(_snapshot, recipe, filters, net, averaged, optimiser)
    started = saved = time.monotonic()
    report = _Report(out)
    for step, batch in zip(tqdm(steps, "training", mininterval=5), batches, strict=True):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        loss = _step(net, optimiser, batch, recipe, manner.device)
        _average(averaged, net, min(recipe.ema_decay, (1 + step) / (10 + step)))
        clips_a_second = (step - first + 1) * recipe.batch / (time.monotonic() - started)
        report(step, loss, learning_rate(recipe, step), clips_a_second)
        if time.monotonic() - saved > SAVE_EVERY_S:
            saved = time.monotonic()
            checkpoint.save(path, snapshot(step + 1))
    checkpoint.save(path, snapshot(steps.stop))
    return path


def training_bank(recipe: Recipe, folders: Sequence[Path], cache: Path = CACHE) -> Bank:
    """The sounds a recipe is trained on: recordings of its labels and folds, and what is synthesised."""
    recordings = [recording for folder in folders for recording in read_any(folder)]
    kept = [r for r in without_fold(recordings, recipe.leave_out_fold) if set(r.labels) & set(recipe.labels)]
    variants = dict.fromkeys(STANDARD, recipe.variants) | {"siren": recipe.siren_variants}
    wanted = {label: count for label, count in variants.items() if label in recipe.labels and count}
    log.info("%d of %d recordings to train on", len(kept), len(recordings))
    return open_bank(kept, wanted, recipe.seed, cache)


def learning_rate(recipe: Recipe, step: int) -> float:
    """A short rise, then half a cosine down to next to nothing."""
    progress = step / max(1, recipe.steps)
    if progress < WARM_UP:
        return recipe.peak_rate * (step + 1) / (WARM_UP * recipe.steps + 1)
    fall = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return recipe.peak_rate * (FINAL_RATE + (1 - FINAL_RATE) * fall)


def masked_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy over the entries somebody could be sure about."""
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (each * known).sum() / known.sum()


class _Mixtures(Dataset[Batch]):
    """Batches by number; an item is a whole batch, so that workers hand over few, large tensors."""

    def __init__(self, recipe: Recipe, bank: Bank, filters: Floats) -> None:
        self._mixer, self._log_mel = Mixer(recipe, bank), LogMel(recipe.spec, filters)
        self._batch = recipe.batch

    def __getitem__(self, number: int) -> Batch:
        mel, targets, known = mel_batch(self._mixer, self._log_mel, number * self._batch, self._batch)
        return torch.from_numpy(mel), torch.from_numpy(targets), torch.from_numpy(known)


def _batches(mixtures: _Mixtures, steps: range, workers: int) -> Iterator[Batch]:
    loader = DataLoader(
        mixtures,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
        generator=torch.Generator(),  # or it draws from the one whose state is resumed
        multiprocessing_context="fork" if workers else None,  # the bank is mapped, not sent
    )
    return iter(loader)


def _one_thread(_: int) -> None:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with librosa

    threadpool_limits(1)


def _step(net: SoundNet, optimiser: torch.optim.Optimizer, batch: Batch, recipe: Recipe, device: str) -> Tensor:
    mel, targets, known = (part.to(device, non_blocking=True) for part in batch)
    mel = freq_mix_style(mask_bands(mel, recipe.frequency_masks), recipe.freq_mix_style)
    net.train()
    with torch.autocast(device, torch.bfloat16):  # twice as fast on a processor with AVX512-BF16, and on CUDA
        logits = net(mel)
    loss = masked_loss(logits.float(), targets, known)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimiser.step()
    return loss.detach()


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
    torch.set_rng_state(earlier.random_state)
    return earlier.step


def _snapshot(  # noqa: PLR0917
    recipe: Recipe, filters: Floats, net: SoundNet, averaged: SoundNet, optimiser: torch.optim.Optimizer, step: int
) -> Checkpoint:
    return Checkpoint(
        recipe, filters, step, averaged.state_dict(), net.state_dict(), optimiser.state_dict(), torch.get_rng_state()
    )


class _Report:
    """Scalars for TensorBoard, and a line of text for whoever only has the log."""

    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # seconds of import, for runs only

        self._writer = SummaryWriter(str(out))
        self._mean: Tensor | None = None

    def __call__(self, step: int, loss: Tensor, rate: float, clips_a_second: float) -> None:
        self._mean = loss if self._mean is None else self._mean.lerp(loss, 0.02)
        if step % REPORT_EVERY:
            return
        scalars = {"loss": float(self._mean), "learning_rate": rate, "clips_a_second": clips_a_second}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        if step % (REPORT_EVERY * 20) == 0:
            log.info("step %d: loss %.4f, %.0f clips a second", step, scalars["loss"], clips_a_second)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    ap = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument(
        "--data", type=Path, action="append", help=f"folder of recordings, may be repeated (default {DATA})"
    )
    ap.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and TensorBoard's scalars")
    ap.add_argument("--leave-out-fold", type=int, help="keep this fold for the test")
    ap.add_argument("--steps", type=int, default=Recipe().steps, help="batches in all (default %(default)s)")
    ap.add_argument("--labels", nargs="+", help="labels to learn (default: the first model's)")
    ap.add_argument("--seed", type=int, default=Recipe().seed)
    ap.add_argument("--resume", action="store_true", help="go on with the checkpoint in --out")
    ap.add_argument("--until", type=int, help="stop after this step; --resume goes on")
    ap.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="processes that mix")
    ap.add_argument("--threads", type=int, default=1, help="of the network; mixers need the rest (default %(default)s)")
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    return ap.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = Recipe(seed=options.seed, steps=options.steps, leave_out_fold=options.leave_out_fold)
    if options.labels:
        recipe = replace(recipe, labels=tuple(options.labels))
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    manner = Manner(options.resume, options.workers, options.device, options.until)
    return command(lambda: log.info("wrote %s", train(recipe, options.data or [DATA], options.out, manner)))


if __name__ == "__main__":
    sys.exit(main())
