"""The losses of a batch of streams."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.network.body import CHUNK
from models.network.network import FRAME, LAG, WINDOW, Answers, SoundNet
from models.training.batches import Batch
from models.training.recipe import Recipe

MARGIN = 0.1
BETWEEN = 0.5  # likeness between that of the same label and that of others
SAME_SCALE, OTHER_SCALE = 2.0, 40.0
GLIMPSE = 3  # frames: of less of a sound that goes on, nobody can say what it is
FIRST_CHUNK = 6  # from which the embedding is compared


class Targets(NamedTuple):
    """Of the windows that end with each chunk: bool (batch, labels, chunks) each."""

    sounding: Tensor
    known: Tensor


def losses(net: SoundNet, answers: Answers, batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """Each loss as it weighs in the sum; those the recipe has switched off are left out."""
    frames, known = lagged(batch.frames, False), lagged(batch.known, True)
    windows = window_targets(frames, known)
    parts = {"clips": recipe.clip_loss * masked_loss(answers.scores, *windows)}
    if recipe.frame_loss:
        parts["frames"] = recipe.frame_loss * masked_loss(answers.frames, frames, known)
    if recipe.teacher_loss and batch.teacher.numel():
        taught = net.taught(answers.hidden)
        parts["teacher"] = recipe.teacher_loss * (taught - batch.teacher[:, : taught.shape[1]]).square().mean()
    if recipe.contrast_loss:
        chunk = int(torch.randint(FIRST_CHUNK, answers.scores.shape[2], ()))
        labels = (windows.sounding & windows.known)[:, :, chunk]
        parts["contrast"] = recipe.contrast_loss * contrast_loss(answers.embedding[:, :, chunk], labels)
    return parts


def lagged(frames: Tensor, before: bool) -> Tensor:
    """Targets (batch, labels, frames) for the network's frames, which are given `LAG` frames later."""
    return functional.pad(frames, (LAG, 0), value=before)[:, :, : frames.shape[2]]


def window_targets(frames: Tensor, known: Tensor) -> Targets:
    """Targets of clips from those of their frames.

    A label is unknown where one of its frames is, unless another surely has it, and where it has only just begun.
    """
    step = CHUNK // FRAME
    sure = functional.pad((frames & known).float(), (WINDOW - step, 0))
    unsure = functional.pad((~known).float(), (WINDOW - step, 0))
    count = functional.avg_pool1d(sure, WINDOW, step) * WINDOW
    begun = functional.max_pool1d(sure[:, :, WINDOW - step :], step, step) > 0
    sounding = count > 0.5
    glimpse = begun & (count < GLIMPSE - 0.5)
    doubtful = functional.max_pool1d(unsure, WINDOW, step) > 0
    return Targets(sounding, torch.where(sounding, ~glimpse, ~doubtful))


def masked_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Mean binary cross-entropy over the known entries."""
    each = functional.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def contrast_loss(embedding: Tensor, targets: Tensor) -> Tensor:
    """Multi-similarity loss (Wang et al. 2019, with their scales): clips that share a label are to be alike.

    Only hard pairs count: alike ones less alike than the likest stranger, strangers more alike than the least like
    of the same label. Clips without a label take no part.
    """
    named = targets.any(dim=1)
    embedding, targets = embedding[named], targets[named].float()
    if not len(embedding):
        return embedding.sum()
    with torch.autocast(embedding.device.type, enabled=False):  # in bfloat16 likenesses have steps of 0.004
        like = embedding @ embedding.T
    same = ((targets @ targets.T) > 0) & ~torch.eye(len(like), dtype=torch.bool, device=like.device)
    other = (targets @ targets.T) == 0
    least_same = like.masked_fill(~same, 2.0).amin(dim=1, keepdim=True)
    most_other = like.masked_fill(~other, -2.0).amax(dim=1, keepdim=True)
    hard_same, hard_other = same & (like < most_other + MARGIN), other & (like > least_same - MARGIN)
    attract = (torch.exp(-SAME_SCALE * (like - BETWEEN)) * hard_same).sum(dim=1).log1p() / SAME_SCALE
    repel = (torch.exp(OTHER_SCALE * (like - BETWEEN)) * hard_other).sum(dim=1).log1p() / OTHER_SCALE
    return (attract + repel).sum() / max(1, len(like))
