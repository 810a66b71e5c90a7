"""The embedding, fitted once training is over: python -m models.network.embedding --checkpoint runs/all/checkpoint.pt

What the network makes of a clip, turned and scaled so that directions in which clips of one label differ count less
(within-class covariance normalisation, Hatch et al. 2006). Labels never trained on are told apart better by that
than by what the contrastive loss alone taught: see docs/model/report.md.
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
from models.data.pool import Pool, open_pool
from models.data.recordings import DataError
from models.evaluation.test_split import in_portions
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

CLIPS = 6000  # of one sound each
EXAMPLES = 1000  # of them are shipped, to compare with
NEAREST = 5  # of the examples: how like these a clip is, on average, is its familiarity
FAMILIAR = 0.5  # chosen with labels left out, in scenes of fold 3: see docs/model/report.md
SHRINKAGE = 0.3  # of the mean variance, added to each: directions hardly seen are not blown up
SEED = 1


def fitted(trained: Checkpoint, pool: Pool, count: int = CLIPS) -> Checkpoint:
    """The checkpoint with the projection that suits the clips it may have been trained on, and examples of them."""
    clips = single_sounds(trained, pool, count)
    if len(clips) < 2:
        raise DataError("the pool has no clips of one sound to fit the embedding to: make a larger one.")
    described = describe(trained, pool.mel[clips])
    weight, bias = whitening(described, pool.targets[clips].argmax(axis=1))
    some = torch.from_numpy(described[:: max(1, len(described) // EXAMPLES)][:EXAMPLES])
    examples = functional.normalize(some @ weight.T + bias, dim=1)
    return replace(trained, projection=(weight, bias), examples=examples)


def single_sounds(trained: Checkpoint, pool: Pool, count: int) -> NDArray[np.int64]:
    """Numbers of clips of one sound that a checkpoint may have been trained on, up to so many."""
    recipe = trained.recipe
    left_out = [recipe.mixing.labels.index(label) for label in recipe.leave_out_labels]
    clips = pool.without(recipe.left_out, recipe.leave_out_datasets, left_out)
    clips = clips[pool.targets[clips].sum(axis=1) == 1]
    chosen: NDArray[np.int64] = np.sort(np.random.default_rng(SEED).permutation(clips)[:count])
    return chosen


def describe(trained: Checkpoint, mels: NDArray[np.floating]) -> Floats:
    """What the network makes of clips before any projection: (clips, 2 hidden)."""
    net = trained.net()

    @torch.inference_mode()
    def described(portion: Floats) -> Floats:
        said: Floats = net.description(net(torch.from_numpy(portion)).hidden).numpy()
        return said

    return in_portions(described, mels)


def whitening(described: Floats, labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Weight (size, size) and bias (size,) after which the covariance within labels is near the identity."""
    deviations = np.concatenate([described[labels == n] - described[labels == n].mean(axis=0) for n in set(labels)])
    variances, directions = np.linalg.eigh(deviations.T.astype(np.float64) @ deviations / len(deviations))
    scale = 1 / np.sqrt(variances.clip(0) + SHRINKAGE * max(float(variances.mean()), 1e-12))
    weight = (directions * scale).T
    bias = -weight @ described.mean(axis=0)
    return torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(bias.astype(np.float32))


def familiarity(like: Tensor) -> Tensor:
    """Of the cosines of clips and examples (batch, count) the mean of the highest few: (batch,)."""
    return like.topk(min(NEAREST, like.shape[1]), dim=1).values.mean(dim=1)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.network.embedding", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--checkpoint", type=Path, nargs="+", required=True, help="each is written again")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    return command(lambda: _fit(options.checkpoint))


def _fit(paths: Sequence[Path]) -> None:
    for path in paths:
        trained = checkpoint.load(path)
        checkpoint.save(path, fitted(trained, open_pool(trained.recipe.mixing, trained.data)))
        log.info("%s: its embedding is fitted", path)


if __name__ == "__main__":
    sys.exit(main())
