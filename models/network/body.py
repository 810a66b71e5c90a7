"""YAMNet's first layers, causal in time: every column of every layer is computed once.

YAMNet is a MobileNet v1 (Howard et al. 2017) over log-mels: a convolution, then pairs of a depthwise and a pointwise
one. All padding in time is on the left here, so the same weights give the same features, delayed. Each convolution
over time keeps its last input columns as state; processing a stream in chunks equals processing it at once.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from listener.pipeline.features import FeatureSpec
from models.evaluation.yamnet import convolutions
from models.network.shape import Shape

# Output channels of each layer, and the stride over mels and columns of its first convolution.
LAYERS = (
    (32, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
)  # fmt: skip
EARLY = 6  # layers; the last of them has a column every 80 ms
CHUNK = 16  # columns: the stride of all layers together
BANDS = {"mels": 64, "f_min_hz": 125.0, "f_max_hz": 7_500.0, "mel_scale": "htk", "window": 400, "power": 1}
OFFSET = 0.001  # added to a magnitude before the logarithm
SILENCE = math.log(OFFSET)

PEAK_DB = 16.0  # level that the loudest recent column gets: that of white noise of about -20 dBFS
FLOOR_DB = -35.0  # quieter sound is not raised further: white noise of about -70 dBFS
RELEASE_DB = 0.06  # fall of the level from column to column: 6 dB a second
NATURAL = math.log(10) / 20  # nepers in a dB


State = list[Tensor]


class Leveller(nn.Module):
    """Log magnitudes as YAMNet expects them, brought to one level by a causal peak follower.

    The level rises at once with a louder column and falls by 6 dB a second, so the beginning of a sound has the same
    level as its middle, and a decay is kept.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self._scale_db, self._mean_db = spec.scale_db, spec.mean_db

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise columns.

        Args:
            mel: Log-mel as `LogMel` makes it, float32 (batch, mels, columns).
            state: dB by which the level before the first column was over `FLOOR_DB`, (batch, 1).

        Returns:
            Log magnitudes (batch, mels, columns), and the state after the last column.
        """
        with torch.autocast(mel.device.type, enabled=False):
            level_db = mel.float() * self._scale_db + self._mean_db
            follower_db = self._follow(level_db.detach(), state)
            levelled_db = level_db - follower_db.unsqueeze(1) + (PEAK_DB - FLOOR_DB)
            return torch.log(torch.exp(levelled_db * NATURAL) + OFFSET), follower_db[:, -1:]

    def _follow(self, level_db: Tensor, state: Tensor) -> Tensor:
        """Level at each column, in dB over `FLOOR_DB`: (batch, columns)."""
        power = torch.logsumexp(level_db * (2 * NATURAL), dim=1) - math.log(level_db.shape[1])
        now_db = functional.relu(power / (2 * NATURAL) - FLOOR_DB)
        column = torch.arange(now_db.shape[1], device=now_db.device).to(now_db.dtype)
        age = column.unsqueeze(0) - column.unsqueeze(1)  # (earlier, later)
        fall = torch.where(age >= 0, age * RELEASE_DB, torch.full_like(age, 1e4))
        recent = (now_db.unsqueeze(2) - fall).amax(dim=1)
        return torch.maximum(recent, state - RELEASE_DB * (column + 1))


class CausalConv(nn.Module):
    """A convolution whose padding in time is on the left, and the bounded rectifier after it."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, depthwise: bool, before: float = 0.0) -> None:
        super().__init__()
        self.past = 3 - stride  # input columns kept from call to call
        self.channels = inputs
        self._before = before  # value of the columns before the stream began
        self._rows = (1, 1) if stride == 1 else (0, 1)  # as TensorFlow's "SAME" for an even number of rows
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, groups=inputs if depthwise else 1)

    def forward(self, plane: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve new columns (batch, channels, rows, columns) after those in the state; return the state too."""
        joined = torch.cat([state + self._before, plane], dim=3)
        out = functional.relu6(self.conv(functional.pad(joined, (0, 0, *self._rows))), inplace=True)
        return out, joined[..., -self.past :] - self._before


class Pointwise(nn.Module):
    """A convolution of size one, and the bounded rectifier after it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, plane: Tensor) -> Tensor:
        """Compute the outputs."""
        return functional.relu6(self.conv(plane), inplace=True)


class Layer(nn.Module):
    """One of YAMNet's layers: a convolution over time and mels, and a pointwise one after it except in the first."""

    def __init__(self, number: int) -> None:
        super().__init__()
        outputs, stride = LAYERS[number]
        inputs = LAYERS[number - 1][0] if number else 1
        self.time = CausalConv(
            inputs, inputs if number else outputs, stride, depthwise=number > 0, before=0.0 if number else SILENCE
        )
        self.mix = Pointwise(inputs, outputs) if number else nn.Identity()

    def forward(self, plane: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the outputs."""
        across, after = self.time(plane, state)
        return self.mix(across), after


class Body(nn.Module):
    """Some of YAMNet's layers over levelled columns: `front`, the first six of them, then `back`."""

    def __init__(self, spec: FeatureSpec, shape: Shape) -> None:
        super().__init__()
        if others := {name: value for name, value in BANDS.items() if getattr(spec, name) != value}:
            raise ValueError(f"YAMNet's layers need the front end {others}")
        self._exact = shape.exact
        self.leveller = Leveller(spec)
        self.layers = nn.ModuleList([Layer(number) for number in range(shape.layers)])
        for layer in self.layers[: shape.frozen]:
            layer.requires_grad_(False)
        self.early_size = LAYERS[EARLY - 1][0] * spec.mels // 8
        self.late_size = LAYERS[shape.layers - 1][0] * spec.mels // 16

    def initial(self, batch: int) -> State:
        """The state before a stream begins, as after silence: all zero."""
        return [torch.zeros(batch, *shape) for shape in self._state_shapes()]

    def front(self, mel: Tensor, state: State) -> tuple[Tensor, State]:
        """Early features (batch, 256, 8, columns / 8) of log-mels (batch, 64, columns), one every 80 ms."""
        levelled, level = self.leveller(mel, state[0])
        plane, after = _through(self.layers[:EARLY], levelled.unsqueeze(1), state[1:])
        return plane, [level, *after]

    def back(self, plane: Tensor, state: State) -> tuple[Tensor, State]:
        """Late features (batch, 512, 4, frames / 2) of early ones (batch, 256, 8, frames)."""
        return _through(self.layers[EARLY:], plane, state)

    def take(self, path: Path) -> None:
        """Set the weights to those in YAMNet's file. Raise DataError if it, or its runtime, is missing."""
        ours = (module.conv for module in self.modules() if isinstance(module, CausalConv | Pointwise))
        with torch.no_grad():
            for conv, (weight, bias) in zip(ours, convolutions(path), strict=False):
                order = (0, 3, 2, 1) if conv.groups == 1 else (3, 0, 2, 1)  # its columns come before its rows
                conv.weight.copy_(torch.from_numpy(weight.transpose(order)))
                assert conv.bias is not None
                conv.bias.copy_(torch.from_numpy(bias))
            for layer in self.layers[EARLY + 1 + self._exact :]:
                kernel = layer.time.conv.weight  # type: ignore[union-attr]
                kernel.copy_(torch.stack([0 * kernel[..., 0], kernel[..., 0], kernel[..., 1] + kernel[..., 2]], dim=3))  # type: ignore[operator,index]

    def _state_shapes(self) -> Iterator[tuple[int, ...]]:
        yield (1,)
        rows = BANDS["mels"]
        for layer, (_, stride) in zip(self.layers, LAYERS, strict=False):
            yield (layer.time.channels, rows, layer.time.past)  # type: ignore[union-attr,misc]
            rows //= stride  # type: ignore[operator]


def _through(layers: Iterable[nn.Module], plane: Tensor, state: State) -> tuple[Tensor, State]:
    """Run layers one after another, each with its state."""
    after = []
    for layer, columns in zip(layers, state, strict=True):
        plane, kept = layer(plane, columns)
        after.append(kept)
    return plane, after
