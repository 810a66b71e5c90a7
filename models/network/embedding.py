"""Fit the embedding of a trained network: python -m models.network.embedding --checkpoint runs/all/checkpoint.pt

The description of a clip is rotated and scaled so that directions in which clips of one label differ count less
(within-class covariance normalisation, Hatch et al. 2006). That separates labels never trained on better than the
contrastive loss alone: see docs/model/report.md.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from listener.pipeline.values import Floats
from models.data.events import FRAMES
from models.data.pool import Pool, read_pool
from models.data.recordings import DataError
from models.network.body import CHUNK
from models.network.network import FRAME, WINDOW
from models.training import checkpoint
from models.training.batches import streams_of
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

CLIPS = 2500  # of one sound each
EXAMPLES = 1000  # of them are shipped, to compare with
NEAREST = 5  # of the examples: the mean likeness of a clip to these is its familiarity
FAMILIAR = -1.0  # any: in scenes of fold 3 a limit lost as many hits as false alarms
SHRINKAGE = 0.3  # of the mean variance, added to each: directions hardly used are not blown up
LEAST_FRAMES = 6  # in which the sound of a clip sounds
AT_ONCE = 16  # streams
SEED = 1


def fitted(trained: Checkpoint, pool: Pool, count: int = CLIPS) -> Checkpoint:
    """The checkpoint with a projection fitted to clips that it may have been trained on, and examples of them."""
    streams, chunks, labels = single_sounds(trained, pool, count)
    if len(streams) < 2:
        raise DataError(
            "the pool has no clips of one sound to fit the embedding to",
            code="train-embedding",
            remedy="Make a larger pool.",
        )
    described = describe(trained, pool.mel, streams, chunks)
    weight, bias = reduced(*whitening(described, labels), described, trained.recipe.shape.embedding)
    some = torch.from_numpy(described[:: max(1, len(described) // EXAMPLES)][:EXAMPLES])
    examples = functional.normalize(some @ weight.T + bias, dim=1)
    return replace(trained, projection=(weight, bias), examples=examples)


def single_sounds(
    trained: Checkpoint, pool: Pool, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Streams, chunks and labels of windows with one label each, at most `count`, one of a stream."""
    recipe = trained.recipe
    columns = [pool.labels.index(label) for label in recipe.labels]
    found: list[tuple[int, int, int]] = []
    for stream in np.random.default_rng(SEED).permutation(streams_of(recipe, pool)):
        frames, known = (
            np.unpackbits(packed[stream][columns], axis=1, count=FRAMES).astype(bool)
            for packed in (pool.frames, pool.known)
        )
        for chunk in range(WINDOW * FRAME // CHUNK, FRAMES * FRAME // CHUNK, 4):
            window = slice((chunk + 1) * CHUNK // FRAME - WINDOW, (chunk + 1) * CHUNK // FRAME)
            sounding = frames[:, window].sum(axis=1)
            if (sounding > 0).sum() == 1 and sounding.max() >= LEAST_FRAMES and known[:, window].all():
                found.append((int(stream), chunk, int(sounding.argmax())))
                break
        if len(found) >= count:
            break
    streams, chunks, labels = np.array(found, np.int64).reshape(-1, 3).T
    return streams, chunks, labels


def describe(
    trained: Checkpoint, mels: NDArray[np.floating], streams: NDArray[np.int64], chunks: NDArray[np.int64]
) -> Floats:
    """The network's description of a window in each of some streams, before any projection: (clips, 2 hidden)."""
    net = trained.net()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(streams), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            hidden = net(torch.from_numpy(mels[streams[some]].astype(np.float32))).hidden
            described = net.description(functional.pad(hidden, (WINDOW - CHUNK // FRAME, 0)))
            rows.append(described[torch.arange(len(described)), :, torch.from_numpy(chunks[some])].numpy())
    return np.concatenate(rows)


def whitening(described: Floats, labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Weight (size, size) and bias (size,) after which the covariance within labels is near the identity."""
    deviations = np.concatenate([described[labels == n] - described[labels == n].mean(axis=0) for n in set(labels)])
    variances, directions = np.linalg.eigh(deviations.T.astype(np.float64) @ deviations / len(deviations))
    scale = 1 / np.sqrt(variances.clip(0) + SHRINKAGE * max(float(variances.mean()), 1e-12))
    weight = (directions * scale).T
    bias = -weight @ described.mean(axis=0)
    return torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(bias.astype(np.float32))


def reduced(weight: Tensor, bias: Tensor, described: Floats, size: int) -> tuple[Tensor, Tensor]:
    """A projection to the `size` directions in which projected clips of unit length vary most."""
    unit = functional.normalize(torch.from_numpy(described) @ weight.T + bias, dim=1)
    directions = torch.linalg.svd(unit, full_matrices=False).Vh[:size]
    return directions @ weight, directions @ bias


def familiarity(like: Tensor) -> Tensor:
    """Mean of the highest few cosines of clips and examples (batch, count): (batch,)."""
    return like.topk(min(NEAREST, like.shape[1]), dim=1).values.mean(dim=1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.network.embedding", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--checkpoint", type=Path, nargs="+", required=True, help="each is written again")
    ap.add_argument("--pool", type=Path, required=True, help="folder of the pool that it was trained on")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _fit(options.checkpoint, options.pool))


def _fit(paths: Sequence[Path], pool: Path) -> None:
    for path in paths:
        checkpoint.save(path, fitted(checkpoint.load(path), read_pool(pool)))
        log.info("%s: its embedding is fitted", path)


if __name__ == "__main__":
    sys.exit(main())
