"""The network: a body, frames of it that hear each other, and what is answered of them.

The body is YAMNet's first layers (`models.network.pretrained`) or stages of our own (`models.network.stages`). Four
faults of CNNs over spectrograms are answered, each by a switch of `Shape` so that it can be measured. Two of them here:
sounds are transparent (independent outputs), and sound is serial (`serial`, `pooling`); the others in our own stages.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from listener.pipeline.features import FeatureSpec
from models.evaluation.yamnet import CLASSES
from models.network.pretrained import Yamnet
from models.network.stages import Stages
from models.training.recipe import FrontEnd, Recipe, Shape

TEN = 2 * math.log(10)  # a normalised log-mel of 1 is 20 dB: power is exp(TEN * mel)
WINDOW, STEP = 12, 6  # frames of a window of the teacher's, and from one to the next


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
        self._shape = shape
        self.body: Stages | Yamnet = (
            Yamnet(spec, shape, dropout) if shape.pretrained else Stages(spec, shape, dropout, front)
        )
        self.head = nn.Sequential(nn.BatchNorm1d(shape.hidden), nn.ReLU())
        self.serial = _serial(shape)
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Conv1d(shape.hidden, 2 * labels, 1))
        self.describe = nn.Linear(2 * shape.hidden, shape.embedding)
        self.teacher = nn.Conv1d(shape.hidden, CLASSES, 1)  # for training alone

    def forward(self, mel: Tensor) -> Answers:
        mel = mel.float()
        if self._shape.level_free:
            mel = mel - loudness(mel)
        hidden = self.serial(self.head(self.body(mel)))
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

    def _pooled(self, frames: Tensor, attention: Tensor) -> Tensor:
        if self._shape.pooling == "attention":
            return (frames * attention.softmax(dim=2)).sum(dim=2)
        return frames.mean(dim=2) if self._shape.pooling == "mean" else frames.amax(dim=2)


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


def _serial(shape: Shape) -> nn.Module:
    if shape.serial == "conv":
        return nn.Sequential(Moments(shape.hidden, 1), Moments(shape.hidden, 3))
    return Recurrent(shape.hidden) if shape.serial == "gru" else nn.Identity()
