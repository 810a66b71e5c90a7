"""A checkpoint: all that rebuilds a network with its front end, and all that a run needs to go on."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from listener.errors import ListenerError
from listener.pipeline.features import LogMel
from listener.pipeline.values import Floats
from models.data.pool import DATA
from models.data.recordings import DataError
from models.network.network import SoundNet, make_net
from models.training.recipe import Recipe, from_plain, to_plain

FORMAT = 3  # 2: before networks had a body of YAMNet's layers or of stages
REQUIRED = {"recipe", "filters", "step", "averaged", "weights", "optimiser"}
REMEDY = "Train one with python -m models.train."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file holds. `averaged` are the weights to use, `weights` those the optimiser works on."""

    recipe: Recipe
    filters: Floats  # (mels, fft // 2 + 1)
    step: int
    averaged: dict[str, Tensor]
    weights: dict[str, Tensor]
    optimiser: dict[str, Any]
    projection: tuple[Tensor, Tensor] | None = (
        None  # weight and bias that make the embedding; see models.network.embedding
    )
    examples: Tensor | None = None  # (clips, size) embeddings of clips of training, to tell what is unfamiliar
    data: tuple[Path, ...] = (DATA,)  # folders of the recordings; the first checkpoints do not say, and had these

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
    content["data"] = [str(folder) for folder in checkpoint.data]
    content["format"] = FORMAT
    torch.save(content, fresh)
    fresh.replace(path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; it may hold nothing but tensors and plain values. ListenerError when it cannot be used."""
    content = _content(path)
    if content.pop("format", None) != FORMAT:
        raise ListenerError(f"{path}: a checkpoint of another version than {FORMAT}. Train again.")
    if lacking := REQUIRED - set(content):
        raise ListenerError(f"{path}: a checkpoint without {', '.join(sorted(lacking))}. Train again.")
    try:
        content["recipe"] = from_plain(content["recipe"])
        content["filters"] = np.ascontiguousarray(content["filters"].numpy())
        content["data"] = tuple(map(Path, content.get("data", [DATA])))
        return Checkpoint(**content)
    except ValueError as err:
        raise ListenerError(f"{path}: {err}") from err
    except (AttributeError, KeyError, TypeError) as err:  # something else under the name of a part
        raise ListenerError(
            f"{path}: a part of the checkpoint is not what it should be ({err!r}). Train again."
        ) from err


def check_folds_apart(runs: Path, trained: Sequence[Checkpoint]) -> None:
    """DataError where checkpoints make no cross-validation: a fold left out twice, or other labels in one."""
    if len({one.recipe.leave_out_fold for one in trained}) < len(trained):
        raise DataError(f"{runs}: two trainings left the same fold out. Keep one of each there.")
    if len({one.recipe.labels for one in trained}) > 1:
        raise DataError(f"{runs}: trainings with different labels. Ask about them one by one.")


def _content(path: Path) -> dict[str, Any]:
    """What a file holds by name."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, UnpicklingError, struct.error) as err:
        raise ListenerError(f"{path}: no checkpoint can be read from it. {REMEDY}") from err
    if not isinstance(content, dict):
        raise ListenerError(f"{path}: no checkpoint, but a {type(content).__name__}. {REMEDY}")
    return content
