"""YAMNet's first layers as a network's body: what two million clips have taught it, learned on from there.

Our recordings are a few hundred. YAMNet is a MobileNet v1 (Howard et al. 2017) over log-mels of its own; its layers
are a convolution and pairs of a depthwise and a pointwise one, in whole numbers of eight bits in the file at hand.
"""

import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from listener.pipeline.features import FeatureSpec
from models.evaluation.yamnet import convolutions
from models.network.front_ends import edges_hz
from models.training.recipe import Shape

# Channels of a layer, and the step over rows and columns of its convolution, or of its depthwise one.
LAYERS = (
    (32, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
)  # fmt: skip
FRAME_LAYERS = 6  # the last of these has a column every 80 ms
BANDS = {"mels": 64, "f_min_hz": 125.0, "f_max_hz": 7_500.0, "mel_scale": "htk"}  # that they know
OFFSET = 0.001  # added to a band's magnitude before the logarithm
LEVEL_DB = -12.0  # of power in a mel: white noise of -20 dBFS


class Magnitudes(nn.Module):
    """What YAMNet listens to, about: log magnitudes in its bands, of a clip brought to the same level as all.

    Takes a normalised log-mel (batch, mels, columns) of mean power 1, made with filters in its bands.
    """

    MEAN_OF_ROOT = math.sqrt(math.pi) / 2  # of noise's power in a bin, beside the root of its mean
    SHORTER_WINDOW = math.sqrt(400 / 512)  # its windows beside ours

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self._scale_db = spec.scale_db
        bin_hz = spec.sample_rate / spec.fft
        edges = edges_hz(spec)
        bins = (edges[2:] - edges[:-2]) / (2 * bin_hz)  # that a filter of peak 1 adds up
        gain = bins * math.sqrt(bin_hz) * self.MEAN_OF_ROOT * self.SHORTER_WINDOW * 10 ** (LEVEL_DB / 20)
        self.gain: Tensor
        self.register_buffer("gain", gain.unsqueeze(1), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        with torch.autocast(mel.device.type, enabled=False):
            magnitude = self.gain * torch.exp(mel.float() * (self._scale_db * math.log(10) / 20))
            return torch.log(magnitude + OFFSET)


class Convolution(nn.Module):
    """One of its convolutions, its normalisation folded in, and the bounded rectifier behind it."""

    def __init__(self, inputs: int, outputs: int, size: int, step: int, *, depthwise: bool = False) -> None:
        super().__init__()
        self._size, self._step = size, step
        padding = size // 2 if step == 1 else 0  # a step of two leaves one over: as `_padding` says
        self.conv = nn.Conv2d(inputs, outputs, size, step, padding, groups=inputs if depthwise else 1)

    def forward(self, plane: Tensor) -> Tensor:
        if self._step > 1:
            (top, bottom), (left, right) = (self._padding(length) for length in plane.shape[2:])
            plane = functional.pad(plane, (left, right, top, bottom))
        return functional.relu6(self.conv(plane), inplace=True)  # a copy takes as long as some of the convolutions

    def _padding(self, length: int) -> tuple[int, int]:
        """Before and behind, as TensorFlow's "SAME": one less before where the step leaves one over."""
        missing = max((-(-length // self._step) - 1) * self._step + self._size - length, 0)
        return missing // 2, missing - missing // 2


class Yamnet(nn.Module):
    """What some of its layers see of a clip: float32 (batch, 64, columns) in, (batch, hidden, frames) out.

    A clip is of mean power 1, as `Magnitudes` takes it. A frame of 80 ms is what the sixth layer sees of it and,
    beside that, the last one, of which a column is twice as long. The first `shape.frozen` stay as they are.
    """

    def __init__(self, spec: FeatureSpec, shape: Shape, dropout: float) -> None:
        super().__init__()
        if not shape.level_free:
            raise ValueError("YAMNet's layers are given every clip at one level: leave shape.level_free as it is")
        if any(getattr(spec, name) != value for name, value in BANDS.items()):
            bands = " ".join(f"--set mixing.spec.{name}={value}" for name, value in BANDS.items())
            raise ValueError(f"YAMNet's layers know its own bands alone: {bands}, or --set shape.pretrained=0")
        channels = [1, *(outputs for outputs, _ in LAYERS[: shape.pretrained])]
        self.magnitudes = Magnitudes(spec)
        layers = [_layer(number, *sizes) for number, sizes in enumerate(pairwise(channels))]
        for layer in layers[: shape.frozen]:
            layer.requires_grad_(False)
        self.layers = nn.Sequential(*layers)
        self.drop = nn.Dropout(dropout)
        self.early = nn.Conv1d(channels[FRAME_LAYERS] * spec.mels // 8, shape.hidden, 1, bias=False)
        self.late = nn.Conv1d(channels[-1] * spec.mels // 16, shape.hidden, 1, bias=False)

    def forward(self, mel: Tensor) -> Tensor:
        plane = self.magnitudes(mel).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        early = self.layers[:FRAME_LAYERS](plane)
        late = self.layers[FRAME_LAYERS:](early)
        frames: Tensor = self.early(self.drop(early.flatten(1, 2)))
        slower: Tensor = self.late(self.drop(late.flatten(1, 2)))
        return frames + slower.repeat_interleave(2, dim=2)

    def take(self, path: Path) -> None:
        """Its weights out of the file. DataError where it, or its runtime, is not here."""
        ours = [module.conv for module in self.modules() if isinstance(module, Convolution)]
        with torch.no_grad():
            for conv, (weight, bias) in zip(ours, convolutions(path), strict=False):
                order = (0, 3, 2, 1) if conv.groups == 1 else (3, 0, 2, 1)  # it has columns before rows
                conv.weight.copy_(torch.from_numpy(weight.transpose(order)))
                assert conv.bias is not None
                conv.bias.copy_(torch.from_numpy(bias))


def _layer(number: int, inputs: int, outputs: int) -> nn.Sequential:
    step = LAYERS[number][1]
    if not number:
        return nn.Sequential(Convolution(inputs, outputs, 3, step))
    return nn.Sequential(Convolution(inputs, inputs, 3, step, depthwise=True), Convolution(inputs, outputs, 1, 1))
