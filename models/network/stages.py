"""A body of our own: stages of convolutions over what front ends make of a clip.

They know which frequency they look at (`frequency`, `sub_bands`: the axes of a spectrogram differ), and see harmonics,
which are not side by side (`tall`, `harmonics`). Beside that, how fast a band pulses (`modulation`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from listener.pipeline.features import FeatureSpec
from models.network.front_ends import ModulationSpectrum, centres_hz, front_ends
from models.training.recipe import FrontEnd, Shape

OCTAVE = 2.0


class Stages(nn.Module):
    """What a small CNN sees of a clip: float32 (batch, mels, columns) in, (batch, hidden, frames) out."""

    def __init__(self, spec: FeatureSpec, shape: Shape, dropout: float, front: FrontEnd) -> None:
        super().__init__()
        self._shape, mels = shape, spec.mels
        self.fronts = front_ends(front, spec)
        stem, first, second, third = shape.widths
        self.frequency: Tensor
        self.octaves: Tensor
        self.register_buffer("frequency", torch.linspace(-1, 1, mels).view(1, 1, mels, 1))
        self.register_buffer("octaves", _octaves(centres_hz(spec)))
        bands = shape.sub_bands
        self.stages = nn.Sequential(
            _conv(len(self.fronts) + shape.frequency + 2 * shape.harmonics, stem, bands, stride=2),
            _conv(stem, first, bands, stride=2, tall=shape.tall),
            Residual(first, bands),
            _conv(first, second, bands, stride=2),
            Residual(second, bands),
            _conv(second, third, bands, stride=(2, 1)),
            Residual(third, bands),
        )
        self.modulation = _modulation(shape)
        seen = (third + shape.modulation) * (mels // 16)
        self.join = nn.Sequential(nn.Dropout(dropout), nn.Conv1d(seen, shape.hidden, 1, bias=False))

    def forward(self, mel: Tensor) -> Tensor:
        seen = self.stages(self._planes(mel).contiguous(memory_format=torch.channels_last))
        if self.modulation is not None:
            seen = torch.cat([seen, self.modulation(mel)], dim=1)
        frames: Tensor = self.join(seen.flatten(1, 2))
        return frames

    def _planes(self, mel: Tensor) -> Tensor:
        """The stages' input: (batch, channels, mels, columns)."""
        planes = [front(mel) for front in self.fronts]
        if self._shape.harmonics:
            planes += [torch.einsum("om,bmt->bot", octave, planes[0]) for octave in self.octaves]
        plane = torch.stack(planes, dim=1)
        if self._shape.frequency:
            plane = torch.cat([plane, self.frequency.expand_as(plane[:, :1])], dim=1)
        return plane


class Residual(nn.Module):
    """One convolution beside the straight way."""

    def __init__(self, width: int, bands: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = _norm(width, bands)

    def forward(self, plane: Tensor) -> Tensor:
        return functional.relu(plane + self.norm(self.conv(plane)))


class SubSpectralNorm(nn.Module):
    """Batch normalisation of each of some frequency bands for itself (Chang et al. 2021)."""

    def __init__(self, width: int, bands: int) -> None:
        super().__init__()
        self._bands = bands
        self.norm = nn.BatchNorm2d(width * bands)

    def forward(self, plane: Tensor) -> Tensor:
        batch, width, rows, columns = plane.shape
        parts = plane.reshape(batch, width * self._bands, rows // self._bands, columns)
        normalised: Tensor = self.norm(parts).reshape(batch, width, rows, columns)
        return normalised


def _conv(inputs: int, outputs: int, bands: int, stride: int | tuple[int, int], tall: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, (tall, 3), stride=stride, padding=(tall // 2, 1), bias=False)
    return nn.Sequential(conv, _norm(outputs, bands), nn.ReLU())


def _norm(width: int, bands: int) -> nn.Module:
    return nn.BatchNorm2d(width) if bands == 1 else SubSpectralNorm(width, bands)


def _modulation(shape: Shape) -> nn.Module | None:
    """What makes of the modulation spectrum as many rows and frames as the body has."""
    width, bands = shape.modulation, shape.sub_bands
    if not width:
        return None
    return nn.Sequential(
        ModulationSpectrum(),
        _conv(ModulationSpectrum.RATES, width, bands, stride=(2, 1)),
        Residual(width, bands),
        _conv(width, width, bands, stride=(2, 1)),
    )


def _octaves(centres_hz: Tensor) -> Tensor:
    """Rows an octave above and below each row, by interpolation: (2, mels, mels); nothing beyond the ends."""
    matrices = []
    for factor in (OCTAVE, 1 / OCTAVE):
        wanted = torch.searchsorted(centres_hz, centres_hz * factor).clamp(1, len(centres_hz) - 1)
        low, high = centres_hz[wanted - 1], centres_hz[wanted]
        share = ((centres_hz * factor - low) / (high - low)).unsqueeze(1)
        matrix = (1 - share) * functional.one_hot(wanted - 1, len(centres_hz)) + share * functional.one_hot(
            wanted, len(centres_hz)
        )
        matrix[(share < 0).squeeze(1) | (share > 1).squeeze(1)] = 0
        matrices.append(matrix)
    return torch.stack(matrices)
