"""A checkpoint: all that rebuilds a network with its front end, and all that a run needs to go on."""

import struct
from collections.abc import Sequence
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

FORMAT = 4  # 3: networks over clips; 2: before networks had a body of YAMNet's layers
REQUIRED = {"recipe", "filters", "step", "averaged", "weights", "optimiser"}
REMEDY = "Train one with python -m models.train."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a file. `averaged` are the weights to use, `weights` those the optimiser works on."""

    recipe: Recipe
    filters: Floats  # (mels, fft // 2 + 1)
    step: int
    averaged: dict[str, Tensor]
    weights: dict[str, Tensor]
    optimiser: dict[str, Any]
    # weight and bias that make the embedding; see models.network.embedding
    projection: tuple[Tensor, Tensor] | None = None
    examples: Tensor | None = None  # (clips, size) embeddings of training clips, to tell what is unfamiliar
    data: tuple[Path, ...] = (DATA,)  # folders of the recordings

    def net(self) -> SoundNet:
        """The network as it is to be used: averaged weights, evaluation mode."""
        net = make_net(self.recipe)
        net.load_state_dict(self.averaged)
        if self.projection:
            net.project(*self.projection)
        return net.eval()

    def log_mel(self) -> LogMel:
        """The front end it was trained with."""
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
        raise _broken(path, f"a checkpoint of another version than {FORMAT}")
    if lacking := REQUIRED - set(content):
        raise _broken(path, f"a checkpoint without {', '.join(sorted(lacking))}")
    try:
        content["recipe"] = from_plain(content["recipe"])
        content["filters"] = np.ascontiguousarray(content["filters"].numpy())
        content["data"] = tuple(map(Path, content.get("data", [DATA])))
        return Checkpoint(**content)
    except (AttributeError, KeyError, TypeError, ValueError) as err:  # something else under the name of a part
        raise _broken(path, f"a part of the checkpoint is not what it should be ({err!r})") from err


def check_folds_apart(runs: Path, trained: Sequence[Checkpoint]) -> None:
    """Raise DataError where checkpoints make no cross-validation: a fold left out twice, or other labels in one."""
    if len({one.recipe.leave_out_fold for one in trained}) < len(trained):
        raise DataError(
            f"{runs}: two runs left the same fold out", code="train-folds", remedy="Keep one of each there."
        )
    if len({one.recipe.labels for one in trained}) > 1:
        raise DataError(f"{runs}: runs with different labels", code="train-labels", remedy="Evaluate them one by one.")


def _content(path: Path) -> dict[str, Any]:
    """A file's content by name."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, UnpicklingError, struct.error) as err:
        raise _broken(path, "no checkpoint can be read from it") from err
    if not isinstance(content, dict):
        raise _broken(path, f"not a checkpoint, but a {type(content).__name__}")
    return content


def _broken(path: Path, problem: str) -> ListenerError:
    return ListenerError(f"{path}: {problem}", code="train-checkpoint", remedy=REMEDY)
