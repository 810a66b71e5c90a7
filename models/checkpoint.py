"""A checkpoint: all that rebuilds a network with its front end, and all that a run needs to go on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from listener.errors import ListenerError
from listener.features import LogMel
from listener.types import Floats
from models.network import SoundNet, make_net
from models.recipe import Recipe, from_plain, to_plain

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file holds. `averaged` are the weights to use, `weights` those the optimiser works on."""

    recipe: Recipe
    filters: Floats  # (mels, fft // 2 + 1)
    step: int
    averaged: dict[str, Tensor]
    weights: dict[str, Tensor]
    optimiser: dict[str, Any]
    projection: tuple[Tensor, Tensor] | None = None  # weight and bias that make the embedding; see models.embedding
    examples: Tensor | None = None  # (clips, size) embeddings of clips of training, to tell what is unfamiliar

    def net(self) -> SoundNet:
        """The network as it is to be used: averaged weights, evaluation mode."""
        net = make_net(self.recipe)
        net.load_state_dict(self.averaged)
        if self.projection:
            net.project(*self.projection)
        return net.eval()

    def classifier(self) -> Callable[[Floats], Floats]:
        """Mels (clips, mels, columns) to probabilities (clips, labels)."""
        answer = self.answerer()
        return lambda mels: answer(mels)[0]

    def answerer(self) -> Callable[[Floats], tuple[Floats, Floats, Floats]]:
        """Mels (clips, mels, columns) to probabilities of clips, those of frames, and embeddings."""
        net = self.net()

        @torch.inference_mode()
        def answer(mels: Floats) -> tuple[Floats, Floats, Floats]:
            said = net(torch.from_numpy(mels))
            return torch.sigmoid(said.scores).numpy(), torch.sigmoid(said.frames).numpy(), said.embedding.numpy()

        return answer

    def log_mel(self) -> LogMel:
        """The front end it was trained behind."""
        return LogMel(self.recipe.spec, self.filters)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a run that is killed meanwhile keeps the one before."""
    fresh = path.with_suffix(".part")
    content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    content |= {"recipe": to_plain(checkpoint.recipe), "filters": torch.from_numpy(checkpoint.filters)}
    content["format"] = FORMAT
    torch.save(content, fresh)
    fresh.replace(path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; it may hold nothing but tensors and plain values. ListenerError when it cannot be used."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, UnpicklingError) as err:
        raise ListenerError(
            f"{path}: no checkpoint can be read from it. Train one with python -m models.train."
        ) from err
    if content.pop("format", None) != FORMAT:
        raise ListenerError(f"{path}: a checkpoint of another version than {FORMAT}. Train again.")
    try:
        content["recipe"] = from_plain(content["recipe"])
    except ValueError as err:
        raise ListenerError(f"{path}: {err}") from err
    content["filters"] = np.ascontiguousarray(content["filters"].numpy())
    return Checkpoint(**content)
