"""What is done to a batch of spectrograms while training runs, so that none is heard twice alike.

All of it happens in the log-mel domain, where adding two sounds is adding their powers. Its random numbers are drawn
on the batch's device, and another device draws others from the same seed.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from models.network.network import TEN, loudness
from models.training.recipe import Recipe

WIDEST = 9  # mels of a mask
RESPONSE_KNOTS = 6  # of the curve over all mels
DROWNED_DB = -9.0  # beside the other: nobody could say whether a sound so faint is to be named


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips and what is to be said of them."""

    mel: Tensor  # float32 (batch, mels, columns)
    targets: Tensor  # bool (batch, labels)
    known: Tensor  # bool (batch, labels)
    frames: Tensor  # bool (batch, labels, frames)
    teacher: Tensor  # float32 (batch, windows, classes); NaN in clips that it did not hear


def regularise(batch: Batch, recipe: Recipe) -> Batch:
    """A batch changed as the recipe says."""
    batch = add_pairs(batch, recipe.pairs, recipe.pair_db)
    mel = shift_rows(batch.mel, recipe.pitch_rows)
    mel = freq_mix_style(mask_bands(mel, recipe.masks), recipe.mix_style)
    gain_db = recipe.gain_db * (2 * torch.rand(len(mel), 1, 1, device=mel.device) - 1)
    return replace(batch, mel=mel + (gain_db + response_db(mel, recipe.response_db)) / 20)


def add_pairs(batch: Batch, share: float, beside_db: tuple[float, float]) -> Batch:
    """To some share of the clips the one before it in the batch is added, at a level beside the clip's own.

    The batch is what this process has of it: among several, no clip meets one of another process.
    """
    low, high = beside_db
    device = batch.mel.device
    chosen = torch.rand(len(batch.mel), device=device) < share
    other = torch.roll(torch.arange(len(batch.mel), device=device), 1)
    beside = low + (high - low) * torch.rand(len(batch.mel), device=device)
    gain = loudness(batch.mel) - loudness(batch.mel[other]) + beside.view(-1, 1, 1) / 20
    added = torch.logaddexp(TEN * batch.mel, TEN * (batch.mel[other] + gain)) / TEN
    heard = batch.targets[other] & chosen.unsqueeze(1)
    certain = batch.known[other] & (beside > DROWNED_DB).unsqueeze(1)
    targets = batch.targets | heard
    # A label is asked about where both clips are sure of it, or where one of them surely has it.
    agreed = torch.where(heard, certain, batch.known & (batch.known[other] | ~chosen.unsqueeze(1)))
    known = agreed | (batch.targets & batch.known)
    return Batch(
        torch.where(chosen.view(-1, 1, 1), added, batch.mel),
        targets,
        known,
        batch.frames | (batch.frames[other] & chosen.view(-1, 1, 1)),
        torch.where(chosen.view(-1, 1, 1), torch.nan, batch.teacher),
    )


def response_db(mel: Tensor, deviation_db: float) -> Tensor:
    """A smooth random response over frequency for each clip, in dB: (batch, mels, 1); FilterAugment, Nam 2022."""
    if not deviation_db:  # and draw no numbers: the same seed gives the weights that it gave without this
        return torch.zeros(len(mel), mel.shape[1], 1, device=mel.device)
    knots = deviation_db * torch.randn(len(mel), 1, RESPONSE_KNOTS, device=mel.device)
    curve = functional.interpolate(knots, size=mel.shape[1], mode="linear", align_corners=True)
    return (curve - curve.mean(dim=2, keepdim=True)).transpose(1, 2)


def shift_rows(mel: Tensor, most: int) -> Tensor:
    """Each clip moved up or down by up to so many rows, the outermost row repeated: about a change of pitch."""
    if not most:
        return mel
    moves = torch.randint(-most, most + 1, (len(mel), 1), device=mel.device)
    rows = (torch.arange(mel.shape[1], device=mel.device) + moves).clamp(0, mel.shape[1] - 1)
    return mel.gather(1, rows.unsqueeze(2).expand_as(mel))


def mask_bands(mel: Tensor, share: float) -> Tensor:
    """The batch (batch, mels, columns) with one band set to its clip's mean, in some share of the clips."""
    count, mels, _ = mel.shape
    width = torch.randint(1, WIDEST + 1, (count, 1), device=mel.device)
    low = (torch.rand(count, 1, device=mel.device) * (mels - width + 1)).long()
    row = torch.arange(mels, device=mel.device)
    chosen = torch.rand(count, 1, device=mel.device) < share
    masked = (chosen & (row >= low) & (row < low + width)).unsqueeze(2)
    return torch.where(masked, mel.mean(dim=(1, 2), keepdim=True), mel)


def freq_mix_style(mel: Tensor, share: float, alpha: float = 0.4) -> Tensor:
    """The batch with frequency-wise mean and deviation mixed with another clip's (Freq-MixStyle, Schmid 2022).

    Done to the whole batch or not at all: in `share` of the calls. Labels stay: statistics are the microphone's.
    """
    if torch.rand(()).item() >= share:
        return mel
    mean, deviation = mel.mean(2, keepdim=True), mel.std(2, keepdim=True) + 1e-3
    other = torch.randperm(len(mel), device=mel.device)
    own = torch.distributions.Beta(alpha, alpha).sample((len(mel), 1, 1)).to(mel.device)
    mixed_mean = own * mean + (1 - own) * mean[other]
    mixed_deviation = own * deviation + (1 - own) * deviation[other]
    return (mel - mean) / deviation * mixed_deviation + mixed_mean
