"""What is done to a batch of spectrograms so that no single band or microphone is relied on."""

import torch
from torch import Tensor

WIDEST = 9  # mels of a mask


def mask_bands(mel: Tensor, share: float) -> Tensor:
    """The batch (batch, mels, columns) with one band set to its clip's mean, in some share of the clips."""
    count, mels, _ = mel.shape
    width = torch.randint(1, WIDEST + 1, (count, 1), device=mel.device)
    low = (torch.rand(count, 1, device=mel.device) * (mels - width)).long()
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
