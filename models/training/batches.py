"""Batches of a pool's streams, by the number of their step: the same for the same recipe and pool."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import tqdm

from models.data.events import FRAMES
from models.data.pool import Pool
from models.data.recordings import DataError
from models.network.network import SoundNet
from models.training.recipe import Recipe

TEACHER_SAMPLE = 2000  # streams whose logits give the teacher's means and deviations
LEVELS = 255 / 6  # of the early layers' output, which is from 0 to 6, in eight bits
AT_ONCE = 32  # streams


@dataclass(frozen=True, slots=True)
class Batch:
    """Streams and their targets. `planes` is the early layers' output, `mel` their input; one of them is empty."""

    mel: Tensor  # float32 (batch, mels, columns)
    planes: Tensor  # float32 (batch, channels, rows, FRAMES)
    frames: Tensor  # bool (batch, labels, FRAMES)
    known: Tensor  # bool (batch, labels, FRAMES)
    teacher: Tensor  # float32 (batch, windows, classes), standardised; of no stream where there was no teacher


class Batches:
    """Of a step, its batch."""

    def __init__(self, recipe: Recipe, pool: Pool, device: str, planes: np.ndarray | None = None) -> None:
        self.recipe, self._pool, self._device, self._planes = recipe, pool, device, planes
        self._labels = np.array([pool.labels.index(label) for label in recipe.labels])
        self._streams = streams_of(recipe, pool)
        if len(pool.teacher):
            some = pool.teacher[np.sort(self._streams[:TEACHER_SAMPLE])].astype(np.float32)
            self._teacher_mean, self._teacher_scale = some.mean(axis=(0, 1)), some.std(axis=(0, 1)) + 1

    def __call__(self, step: int) -> Batch:
        """Return the batch of a training step."""
        whole = step >= self.recipe.steps
        size = self.recipe.whole_batch if whole else self.recipe.batch
        torch.manual_seed(self.recipe.seed * 1_000_003 + step * 101)
        chosen = np.sort(np.random.default_rng([self.recipe.seed, step]).choice(self._streams, size))
        nothing = torch.empty(0)
        cached = self._planes is not None and not whole
        return Batch(
            nothing if cached else self._on(self._pool.mel[chosen].astype(np.float32)),
            planes_of(self._planes, chosen, self._device) if cached else nothing,
            self._on(self._bits(self._pool.frames, chosen)),
            self._on(self._bits(self._pool.known, chosen)),
            self._teacher(chosen),
        )

    def _bits(self, packed: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        return np.unpackbits(packed[chosen][:, self._labels], axis=2, count=FRAMES).astype(bool)

    def _teacher(self, chosen: np.ndarray) -> Tensor:
        if not len(self._pool.teacher):
            return torch.empty(0)
        logits = self._pool.teacher[chosen].astype(np.float32)
        return self._on((logits - self._teacher_mean) / self._teacher_scale)

    def _on(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def streams_of(recipe: Recipe, pool: Pool) -> np.ndarray:
    """The numbers of the streams that a recipe learns from. DataError where there are none."""
    streams = pool.without(recipe.left_out, recipe.leave_out_datasets, only_free=recipe.free)
    for label in recipe.leave_out_labels:
        streams = streams[~pool.frames[streams][:, pool.labels.index(label)].any(axis=1)]
    if not len(streams):
        there = ", ".join(map(str, np.unique(pool.fold).tolist()))
        raise DataError(
            f"nothing is left to train on: the pool has streams of fold {there}",
            code="train-nothing-left",
            remedy="Leave out less.",
        )
    return streams[: recipe.streams]


def cache_planes(net: SoundNet, pool: Pool, streams: np.ndarray, path: Path) -> np.ndarray:
    """The early layers' output, uint8 (streams, channels, rows, FRAMES), kept in a file.

    Only the rows of some streams are computed, and only those that no run before has computed.
    """
    marks = path.with_suffix(".done.npy")
    shape = (len(pool.fold), *early(net, pool.mel[:1]).shape[1:])
    planes = np.load(path, mmap_mode="r+") if path.is_file() else open_memmap(path, "w+", np.uint8, shape)
    done = np.load(marks) if marks.is_file() else np.zeros(len(planes), bool)
    todo = np.sort(streams[~done[streams]])
    for number, start in enumerate(tqdm(range(0, len(todo), AT_ONCE), "early layers", mininterval=10)):
        some = todo[start : start + AT_ONCE]
        planes[some] = early(net, pool.mel[some])
        done[some] = True
        if number % 50 == 49 or start + AT_ONCE >= len(todo):
            np.save(marks, done)
    return planes


@torch.inference_mode()
def early(net: SoundNet, mel: np.ndarray) -> np.ndarray:
    """The early layers' output of some streams in eight bits."""
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16()):
        plane = net.front(torch.from_numpy(mel.astype(np.float32)))
    return (plane.float() * LEVELS).round_().to(torch.uint8).numpy()


def fast_bfloat16() -> bool:
    """Whether the processor has instructions for it (AVX512-BF16): twice as fast then, and else four times slower."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def planes_of(planes: np.ndarray | None, chosen: np.ndarray, device: str) -> Tensor:
    """The early layers' output of some streams as numbers."""
    assert planes is not None
    return torch.from_numpy(planes[chosen]).to(device).float().mul_(1 / LEVELS)
