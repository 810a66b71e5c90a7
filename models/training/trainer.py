"""What a training step does: a batch, its losses, and the weights after it."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from models.data.mixing import FRAMES
from models.data.pool import Pool
from models.data.recordings import DataError
from models.evaluation.yamnet import PEER
from models.network.network import SoundNet, make_net
from models.network.pretrained import Yamnet
from models.training import parallel
from models.training.checkpoint import Checkpoint
from models.training.losses import losses
from models.training.preflight import nothing_left
from models.training.recipe import Recipe
from models.training.regularise import Batch, regularise

WARM_UP = 0.06  # share of the steps in which the learning rate rises
FINAL_RATE = 0.002  # of the peak
LONGEST_GRADIENT = 2.0
TEACHER_SAMPLE = 2000  # clips whose logits give the teacher's means and deviations


class Learning:
    """A network that learns, the mean of its weights, and the optimiser. `step` is the one that comes next."""

    def __init__(self, recipe: Recipe, device: str, earlier: Checkpoint | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        net = make_net(recipe)
        if isinstance(net.body, Yamnet) and not earlier:
            net.body.take(PEER)
        self._net = net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._averaged = copy.deepcopy(self._net).eval().requires_grad_(False)
        rate, decay = recipe.peak_rate, recipe.weight_decay
        self._optimiser = torch.optim.AdamW(_groups(self._net, recipe), lr=rate, weight_decay=decay)
        if earlier:
            self._take_up(earlier)
        self._learner: torch.nn.Module = Learner(self._net, recipe)
        if parallel.world() > 1:
            self._learner = DistributedDataParallel(self._learner, find_unused_parameters=True)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step; the losses before it, as they weigh."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step) * group["beside"]
        self._net.train()
        kind = batch.mel.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or _fast_bfloat16()):
            parts = self._learner(batch)
        self._optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._net.parameters(), LONGEST_GRADIENT)
        self._optimiser.step()
        self._average(min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step)))
        self.step += 1
        return {name: part.detach() for name, part in parts.items()}

    def checkpoint(self, pool: Pool, data: tuple[Path, ...]) -> Checkpoint:
        """All that another run needs to go on from here."""
        states = self._averaged.state_dict(), self._net.state_dict(), self._optimiser.state_dict()
        return Checkpoint(self.recipe, pool.filters, self.step, *states, data=data)

    def _take_up(self, earlier: Checkpoint) -> None:
        """Put everything back as it was saved."""
        self._net.load_state_dict(earlier.weights)
        self._averaged.load_state_dict(earlier.averaged)
        self._optimiser.load_state_dict(earlier.optimiser)
        self.step = earlier.step

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        states = self._averaged.state_dict(), self._net.state_dict()
        for mean, value in zip(*(state.values() for state in states), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def _groups(net: SoundNet, recipe: Recipe) -> list[dict[str, Any]]:
    """What the optimiser works on, each with its rate `beside` the schedule's: YAMNet's layers know much already."""
    known = set(net.body.layers.parameters()) if isinstance(net.body, Yamnet) else set()
    fresh = [weight for weight in net.parameters() if weight not in known]
    pretrained = [weight for weight in net.parameters() if weight in known and weight.requires_grad]
    groups: list[dict[str, Any]] = [{"params": fresh, "beside": 1.0}]
    return groups + [{"params": pretrained, "beside": recipe.pretrained_rate}] * bool(pretrained)


def _fast_bfloat16() -> bool:
    """Whether the processor has instructions for it (AVX512-BF16): twice as fast then, and else four times slower."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


class Learner(torch.nn.Module):
    """A network and its losses in one call: DistributedDataParallel must see every use of a weight."""

    def __init__(self, net: SoundNet, recipe: Recipe) -> None:
        super().__init__()
        self.net, self._recipe = net, recipe

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return losses(self.net, self.net(batch.mel), batch, self._recipe)


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


def learning_rate(recipe: Recipe, step: int) -> float:
    """A short rise, then half a cosine down to next to nothing."""
    progress = step / max(1, recipe.steps)
    if progress < WARM_UP:
        return recipe.peak_rate * (step + 1) / (WARM_UP * recipe.steps + 1)
    fall = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return recipe.peak_rate * (FINAL_RATE + (1 - FINAL_RATE) * fall)
