"""The network: a small CNN over log-mel clips that knows which frequency it looks at, and lets moments hear each other.

Four faults of CNNs over spectrograms are answered here, each by a switch of `Shape` so that it can be measured:
sounds are transparent (independent outputs), the axes differ (`frequency`, `sub_bands`), harmonics are not local
(`tall`, `harmonics`), and sound is serial (`serial`, `pooling`). Beside that, how fast a band pulses (`modulation`).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from listener.features import FeatureSpec
from models.front_ends import ModulationSpectrum, centres_hz, front_ends
from models.peer import CLASSES
from models.recipe import FrontEnd, Recipe, Shape

TEN = 2 * math.log(10)  # a normalised log-mel of 1 is 20 dB: power is exp(TEN * mel)
WINDOW, STEP = 12, 6  # frames of a window of the teacher's, and from one to the next
OCTAVE = 2.0


class Answers(NamedTuple):
    """What the network says of a batch of clips."""

    scores: Tensor  # logits (batch, labels)
    frames: Tensor  # logits (batch, labels, frames), one every 80 ms
    embedding: Tensor  # (batch, size), unit length; a fitted one is as large as the description
    hidden: Tensor  # (batch, hidden, frames)


class SoundNet(nn.Module):
    """Independent labels of a clip and of its frames: float32 (batch, mels, columns) in, `Answers` out."""

    def __init__(self, labels: int, spec: FeatureSpec, shape: Shape, dropout: float, front: FrontEnd) -> None:
        super().__init__()
        self._shape, mels = shape, spec.mels
        self.fronts = front_ends(front, spec)
        stem, first, second, third = shape.widths
        self.frequency: Tensor
        self.octaves: Tensor
        self.register_buffer("frequency", torch.linspace(-1, 1, mels).view(1, 1, mels, 1))
        self.register_buffer("octaves", _octaves(centres_hz(spec)))
        bands = shape.sub_bands
        self.body = nn.Sequential(
            _conv(len(self.fronts) + shape.frequency + 2 * shape.harmonics, stem, bands, stride=2),
            _conv(stem, first, bands, stride=2, tall=shape.tall),
            Residual(first, bands),
            _conv(first, second, bands, stride=2),
            Residual(second, bands),
            _conv(second, third, bands, stride=(2, 1)),
            Residual(third, bands),
        )
        self.modulation = _modulation(shape)
        rows, hidden = mels // 16, shape.hidden
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv1d((third + shape.modulation) * rows, hidden, 1, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
        )
        self.serial = _serial(shape)
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Conv1d(hidden, 2 * labels, 1))
        self.describe = nn.Linear(2 * hidden, shape.embedding)
        self.teacher = nn.Conv1d(hidden, CLASSES, 1)  # for training alone

    def forward(self, mel: Tensor) -> Answers:
        plane = self._planes(mel.float()).contiguous(memory_format=torch.channels_last)
        seen = self.body(plane)
        if self.modulation is not None:
            seen = torch.cat([seen, self.modulation(mel)], dim=1)
        hidden = self.serial(self.head(seen.flatten(1, 2)))
        frames, attention = self.answer(hidden).float().chunk(2, dim=1)
        embedding = functional.normalize(self.describe(self.description(hidden)).float(), dim=1)
        return Answers(self._pooled(frames, attention), frames, embedding, hidden)

    def description(self, hidden: Tensor) -> Tensor:
        """Of hidden (batch, hidden, frames) the mean and the highest over time: (batch, 2 hidden)."""
        return torch.cat([hidden.mean(dim=2), hidden.amax(dim=2)], dim=1)

    def project(self, weight: Tensor, bias: Tensor) -> None:
        """From now on the embedding is this projection of the description, in place of the one that was trained."""
        size, inputs = weight.shape
        self.describe = nn.Linear(inputs, size)
        self.describe.load_state_dict({"weight": weight, "bias": bias})

    def taught(self, hidden: Tensor) -> Tensor:
        """What it thinks that the teacher says of each of its windows: (batch, windows, CLASSES)."""
        windows = functional.avg_pool1d(self.teacher(hidden).float(), WINDOW, STEP)
        return windows.transpose(1, 2)

    def _planes(self, mel: Tensor) -> Tensor:
        """The network's input: (batch, channels, mels, columns)."""
        if self._shape.level_free:
            mel = mel - loudness(mel)
        planes = [front(mel) for front in self.fronts]
        if self._shape.harmonics:
            planes += [torch.einsum("om,bmt->bot", octave, planes[0]) for octave in self.octaves]
        plane = torch.stack(planes, dim=1)
        if self._shape.frequency:
            plane = torch.cat([plane, self.frequency.expand_as(plane[:, :1])], dim=1)
        return plane

    def _pooled(self, frames: Tensor, attention: Tensor) -> Tensor:
        if self._shape.pooling == "attention":
            return (frames * attention.softmax(dim=2)).sum(dim=2)
        return frames.mean(dim=2) if self._shape.pooling == "mean" else frames.amax(dim=2)


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


class Moments(nn.Module):
    """Lets each frame hear its neighbours: a depthwise convolution over time and a mixing of channels, residual."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation, groups=width, bias=False)
        self.mix = nn.Conv1d(width, width, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm1d(width), nn.BatchNorm1d(width)])

    def forward(self, hidden: Tensor) -> Tensor:
        across = functional.relu(self.norms[0](self.time(hidden)))
        return functional.relu(hidden + self.norms[1](self.mix(across)))


class Recurrent(nn.Module):
    """A gated recurrent unit over time, both ways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, hidden: Tensor) -> Tensor:
        across: Tensor = self.gru(hidden.transpose(1, 2))[0]
        return hidden + across.transpose(1, 2)


def make_net(recipe: Recipe) -> SoundNet:
    """The network of a recipe, its weights fresh from torch's generator."""
    return SoundNet(len(recipe.labels), recipe.spec, recipe.shape, recipe.dropout, recipe.front_end)


def loudness(mel: Tensor) -> Tensor:
    """Mean power of clips (batch, mels, columns), in the units of the log-mel: (batch, 1, 1)."""
    cells = mel.shape[1] * mel.shape[2]
    return (torch.logsumexp(TEN * mel, dim=(1, 2), keepdim=True) - math.log(cells)) / TEN


def multiply_adds(net: SoundNet, mels: int, columns: int) -> int:
    """Multiply-adds of the convolutions and products that one clip costs; the teacher's head answers only training."""
    training = net.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, mels, columns))
    net.train(training)
    return int(counter.get_total_flops()) // 2  # a multiply-add is two operations


def weights(net: SoundNet) -> int:
    """How many numbers it has learned, those that only a teacher needs not counted."""
    return sum(weight.numel() for name, weight in net.named_parameters() if not name.startswith("teacher"))


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


def _serial(shape: Shape) -> nn.Module:
    if shape.serial == "conv":
        return nn.Sequential(Moments(shape.hidden, 1), Moments(shape.hidden, 3))
    return Recurrent(shape.hidden) if shape.serial == "gru" else nn.Identity()


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
