"""What the network is punished for."""

import torch
from torch import Tensor
from torch.nn import functional

from models.network.network import Answers, SoundNet
from models.training.recipe import Recipe
from models.training.regularise import Batch

MARGIN = 0.1
BETWEEN = 0.5  # likeness between that of one's own and that of strangers
OWN_SCALE, STRANGE_SCALE = 2.0, 40.0


def losses(net: SoundNet, answers: Answers, batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """Each loss as it weighs in the sum; those the recipe has switched off are left out."""
    parts = {"clips": masked_loss(answers.scores, batch.targets, batch.known)}
    if recipe.frame_loss:
        known = batch.known.unsqueeze(2).expand_as(batch.frames)
        parts["frames"] = recipe.frame_loss * masked_loss(answers.frames, batch.frames, known)
    if recipe.teacher_loss and batch.teacher.numel():
        parts["teacher"] = recipe.teacher_loss * teacher_loss(net.taught(answers.hidden), batch.teacher)
    if recipe.contrast_loss:
        parts["contrast"] = recipe.contrast_loss * contrast_loss(answers.embedding, batch.targets & batch.known)
    return parts


def masked_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy over the entries somebody could be sure about."""
    each = functional.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def teacher_loss(said: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance to the teacher's standardised logits, in the clips that it heard."""
    heard = ~teacher[:, 0, 0].isnan()
    return (said[heard] - teacher[heard]).square().mean() if bool(heard.any()) else said.sum() * 0


def contrast_loss(embedding: Tensor, targets: Tensor) -> Tensor:
    """Clips that share a label are to be alike, those that share none are not: the multi-similarity loss.

    Only hard pairs count: alike ones less alike than the likest stranger, strangers more alike than the least
    like of one's own (Wang et al. 2019, with their scales). Clips without a label take no part.
    """
    named = targets.any(dim=1)
    embedding, targets = embedding[named], targets[named].float()
    if not len(embedding):
        return embedding.sum()
    with torch.autocast(embedding.device.type, enabled=False):  # in bfloat16 likenesses have steps of 0.004
        like = embedding @ embedding.T
    own = ((targets @ targets.T) > 0) & ~torch.eye(len(like), dtype=torch.bool, device=like.device)
    strange = (targets @ targets.T) == 0
    least_own = like.masked_fill(~own, 2.0).amin(dim=1, keepdim=True)
    most_strange = like.masked_fill(~strange, -2.0).amax(dim=1, keepdim=True)
    hard_own, hard_strange = own & (like < most_strange + MARGIN), strange & (like > least_own - MARGIN)
    attract = (torch.exp(-OWN_SCALE * (like - BETWEEN)) * hard_own).sum(dim=1).log1p() / OWN_SCALE
    repel = (torch.exp(STRANGE_SCALE * (like - BETWEEN)) * hard_strange).sum(dim=1).log1p() / STRANGE_SCALE
    return (attract + repel).sum() / max(1, len(like))
