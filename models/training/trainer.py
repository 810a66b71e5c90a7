"""A training step: the losses of a batch, and the weights after it."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.evaluation.yamnet import YAMNET
from models.network.body import EARLY
from models.network.network import SoundNet, make_net
from models.training import checkpoint
from models.training.batches import Batch, fast_bfloat16
from models.training.checkpoint import Checkpoint
from models.training.losses import losses
from models.training.recipe import Recipe

WARM_UP = 0.06  # share of a phase's steps in which the learning rate rises
FINAL_RATE = 0.01  # of the peak
LONGEST_GRADIENT = 2.0


class Trainer:
    """A network that learns, the mean of its weights, and the optimiser. `step` is the one that comes next."""

    def __init__(self, recipe: Recipe, device: str, earlier: Checkpoint | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        self.net = make_net(recipe)
        if recipe.start:
            take_weights(self.net, recipe.labels, checkpoint.load(Path(recipe.start)))
        elif recipe.shape.pretrained:
            self.net.body.take(YAMNET)
        self._start = [weight.detach().clone().to(device) for weight in early_weights(self.net)]
        self.net.to(device)
        self._averaged = copy.deepcopy(self.net).eval().requires_grad_(False)
        self._optimiser = torch.optim.AdamW(_groups(self.net, recipe), weight_decay=recipe.weight_decay)
        if earlier:
            self.net.load_state_dict(earlier.weights)
            self._averaged.load_state_dict(earlier.averaged)
            self._optimiser.load_state_dict(earlier.optimiser)
            self.step = earlier.step

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Take one step; return the losses before it, as they weigh."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step) * group["multiplier"]
        self.net.train()
        kind = self._start[0].device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or fast_bfloat16()):
            answers = self.net.back(batch.planes) if batch.planes.numel() else self.net(batch.mel)
            parts = losses(self.net, answers, batch, self.recipe)
        if not batch.planes.numel() and self.recipe.anchor:
            parts["anchor"] = self.recipe.anchor * self._distance()
        self._optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), LONGEST_GRADIENT)
        self._optimiser.step()
        self._average(min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step)))
        self.step += 1
        return {name: part.detach() for name, part in parts.items()}

    def states(self) -> tuple[dict[str, Any], ...]:
        """Averaged weights, weights and the optimiser's state."""
        return self._averaged.state_dict(), self.net.state_dict(), self._optimiser.state_dict()

    def _distance(self) -> Tensor:
        """Squared distance of the early layers from where they began."""
        pairs = zip(early_weights(self.net), self._start, strict=True)
        return torch.stack([(now - start).square().sum() for now, start in pairs]).sum()

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        states = self._averaged.state_dict(), self.net.state_dict()
        for mean, value in zip(*(state.values() for state in states), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def take_weights(net: SoundNet, labels: Sequence[str], source: Checkpoint) -> None:
    """Set the weights of a network to those of a checkpoint; labels that it lacks keep their random ones."""
    weights = dict(source.averaged)
    fresh, known = net.state_dict(), source.recipe.labels
    rows = [(n, known.index(label)) for n, label in enumerate(labels) if label in known]
    for name in ("answer.weight", "answer.bias"):  # rows of frames, then of attention
        theirs, ours = weights[name], fresh[name].clone()
        for n, row in rows:
            ours[n], ours[len(labels) + n] = theirs[row], theirs[len(known) + row]
        weights[name] = ours
    net.load_state_dict(weights)


def early_weights(net: SoundNet) -> list[torch.nn.Parameter]:
    """The weights of the layers whose output is cached in the first phase."""
    return [weight for layer in net.body.layers[:EARLY] for weight in layer.parameters()]


def learning_rate(recipe: Recipe, step: int) -> float:
    """One cycle in each phase: a linear rise, then a cosine fall."""
    phase = (recipe.peak_rate, 0, recipe.steps), (recipe.whole_rate, recipe.steps, recipe.whole_steps)
    peak, first, count = phase[step >= recipe.steps]
    done = (step - first + 1) / max(1, count)
    if done < WARM_UP:
        return peak * done / WARM_UP
    return peak * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))))


def _groups(net: SoundNet, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameter groups with a multiplier of the learning rate; pretrained layers use a lower one."""
    known = set(net.body.layers.parameters()) if recipe.shape.pretrained else set()
    return [
        {"params": [weight for weight in net.parameters() if weight not in known], "multiplier": 1.0},
        {"params": [weight for weight in net.parameters() if weight in known], "multiplier": recipe.pretrained_rate},
    ]
