"""The network: a small CNN over log-mel clips that knows which frequency it looks at, pooled over time by attention."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.recipe import Recipe


class SoundNet(nn.Module):
    """Logits of independent labels: float32 (batch, mels, columns) in, (batch, labels) out.

    Four halvings of time and frequency; a second input channel gives each row its frequency, so that the same
    kernel may answer differently at 500 Hz and at 3 kHz. `frames` are logits every 160 ms.
    """

    def __init__(self, labels: int, mels: int, widths: tuple[int, int, int, int, int], dropout: float) -> None:
        super().__init__()
        stem, first, second, third, head = widths
        self.frequency: Tensor
        self.register_buffer("frequency", torch.linspace(-1, 1, mels).view(1, 1, mels, 1))
        self.body = nn.Sequential(
            _conv(2, stem, stride=2),
            _conv(stem, first, stride=2),
            Residual(first),
            _conv(first, second, stride=2),
            Residual(second),
            _conv(second, third, stride=2),
            Residual(third),
        )
        rows = mels // 16
        narrow = nn.Conv1d(third * rows, head, 1, bias=False)
        self.head = nn.Sequential(nn.Dropout(dropout), narrow, nn.BatchNorm1d(head))
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Conv1d(head, 2 * labels, 1))

    def forward(self, mel: Tensor) -> Tensor:
        frames, weights = self.frames(mel)
        return (frames * weights).sum(dim=2)

    def frames(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and attention weights of every 160 ms: two of (batch, labels, times)."""
        plane = mel.unsqueeze(1)
        plane = torch.cat([plane, self.frequency.expand_as(plane)], dim=1)
        plane = self.body(plane.contiguous(memory_format=torch.channels_last))
        columns = functional.relu(self.head(plane.flatten(1, 2)))
        logits, attention = self.answer(columns).float().chunk(2, dim=1)
        return logits, attention.softmax(dim=2)


class Residual(nn.Module):
    """One convolution beside the straight way."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, plane: Tensor) -> Tensor:
        return functional.relu(plane + self.norm(self.conv(plane)))


def make_net(recipe: Recipe) -> SoundNet:
    """The network of a recipe, its weights fresh from torch's generator."""
    return SoundNet(len(recipe.labels), recipe.spec.mels, recipe.widths, recipe.dropout)


def multiply_adds(net: SoundNet, mels: int, columns: int) -> int:
    """Multiply-adds that the convolutions of one clip cost."""
    count = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, nn.Conv1d | nn.Conv2d)
        count += output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(add) for layer in net.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d)]
    training = net.training
    with torch.no_grad():
        net.eval()(torch.zeros(1, mels, columns))
    net.train(training)
    for hook in hooks:
        hook.remove()
    return count


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())
