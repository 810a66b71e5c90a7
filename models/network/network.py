"""The network: a causal body, a causal head over its frames, and the answers.

Training calls `SoundNet.forward` on whole streams; the exported graph is `SoundNet.step` on the newest columns. Both
are the same computation: `forward` is one step from the initial state.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from listener.pipeline.features import FeatureSpec
from models.evaluation.yamnet import CLASSES
from models.network.body import CHUNK, EARLY, Body, State
from models.network.shape import Shape

if TYPE_CHECKING:
    from models.training.recipe import Recipe

FRAME = 8  # columns: 80 ms
WINDOW = 38  # frames that the score of a clip is pooled over: 3.04 s
LAG = 2  # frames: frame scores of a moment are given 160 ms after it
SILENT = -8.0  # logit of frames before the stream began
SPLIT = EARLY + 1  # parts of the state that belong to the first six layers
STEEPEST = 8.0  # attention logits are kept within this, so that their exponentials can be added up
TEACHER_HOP, TEACHER_SPAN = 3, 6  # in chunks: YAMNet's windows of 0.96 s, 0.48 s apart
TEACHER_DELAY = 2  # chunks after the end of a window at which the network answers like the teacher


class Answers(NamedTuple):
    """The network's outputs for a batch of streams.

    Attributes:
        frames: Logits (batch, labels, frames), one every 80 ms, of what sounded `LAG` frames before.
        scores: Logits (batch, labels, chunks): labels in the `WINDOW` frames that end with each chunk.
        embedding: Of the same windows, unit length, (batch, size, chunks).
        hidden: Descriptions of frames (batch, hidden, frames).
    """

    frames: Tensor
    scores: Tensor
    embedding: Tensor
    hidden: Tensor


class SoundNet(nn.Module):
    """Independent labels of streams: log-mel float32 (batch, 64, columns) in, `Answers` out."""

    def __init__(self, labels: int, spec: FeatureSpec, shape: Shape, dropout: float) -> None:
        super().__init__()
        hidden = shape.hidden
        self.body = Body(spec, shape)
        self.drop = nn.Dropout(dropout)
        self.early = nn.Conv1d(self.body.early_size, hidden, 1, bias=False)
        self.late = nn.Conv1d(self.body.late_size, hidden, 1, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.context = nn.ModuleList([TemporalConv(hidden, 1), TemporalConv(hidden, 3)])
        self.answer = nn.Conv1d(hidden, 2 * labels, 1)
        self.describe = nn.Conv1d(2 * hidden, shape.embedding, 1)
        self.teacher = nn.Conv1d(hidden, CLASSES, 1)  # for training only

    def initial(self, batch: int = 1) -> State:
        """The state before a stream begins. All of it is zero."""
        hidden, labels = self.norm.num_features, self.answer.out_channels // 2
        before = [(hidden, block.past) for block in self.context] + [(2 * labels + hidden, WINDOW - CHUNK // FRAME)]
        return self.body.initial(batch) + [torch.zeros(batch, *shape) for shape in before]

    def forward(self, mel: Tensor) -> Answers:
        """Answer for streams that begin with the first column: log-mel (batch, 64, columns)."""
        return self.back(self.front(mel))

    def front(self, mel: Tensor) -> Tensor:
        """Early features (batch, 256, 8, frames) of streams, 0 to 6: the part of `forward` that may be cached."""
        return self.body.front(mel, self._initial(mel)[:SPLIT])[0]

    def back(self, plane: Tensor) -> Answers:
        """Answer for streams, given their early features."""
        return self._answers(plane, self._initial(plane)[SPLIT:])[0]

    def step(self, mel: Tensor, state: State) -> tuple[Answers, State]:
        """Answer for the columns that follow a state.

        Args:
            mel: Log-mel (batch, 64, columns), columns being a multiple of `CHUNK`.
            state: As `initial` or the last `step` returned it.

        Returns:
            The answers for these columns, and the state after them.
        """
        plane, front = self.body.front(mel, state[:SPLIT])
        answers, back = self._answers(plane, state[SPLIT:])
        return answers, front + back

    def _initial(self, like: Tensor) -> State:
        return [part.to(like.device) for part in self.initial(len(like))]

    def _answers(self, plane: Tensor, state: State) -> tuple[Answers, State]:
        heads = len(self.context) + 1
        late, after = self.body.back(plane, state[:-heads])
        slow = self.late(self.drop(late.flatten(1, 2))).repeat_interleave(2, dim=2)
        hidden = functional.relu(self.norm(self.early(self.drop(plane.flatten(1, 2))) + slow))
        for block, past in zip(self.context, state[-heads:-1], strict=True):
            hidden, kept = block(hidden, past)
            after.append(kept)
        frames, attention = self.answer(self.drop(hidden)).float().chunk(2, dim=1)
        weight = torch.exp(STEEPEST * torch.tanh(attention / STEEPEST))
        new = torch.cat([weight, weight * (frames - SILENT), hidden.float()], dim=1)
        recent = torch.cat([state[-1], new], dim=2)
        after.append(recent[:, :, CHUNK // FRAME - WINDOW :])
        scores, embedding = self._pooled(recent, frames.shape[1])
        return Answers(frames, scores, embedding, hidden), after

    def taught(self, hidden: Tensor) -> Tensor:
        """The answers for the teacher's windows in streams: (batch, windows, CLASSES).

        A window that ends less than `TEACHER_DELAY` before the end of the stream is left out.
        """
        late = hidden[:, :, TEACHER_DELAY * CHUNK // FRAME :]
        per_chunk = CHUNK // FRAME
        pooled = functional.avg_pool1d(late, TEACHER_SPAN * per_chunk, TEACHER_HOP * per_chunk)
        return self.teacher(pooled).float().transpose(1, 2)  # type: ignore[no-any-return]

    def project(self, weight: Tensor, bias: Tensor) -> None:
        """Replace the trained embedding by a projection of the description: weight (size, inputs), bias (size,)."""
        size, inputs = weight.shape
        self.describe = nn.Conv1d(inputs, size, 1)
        self.describe.load_state_dict({"weight": weight.unsqueeze(2), "bias": bias})

    def description(self, hidden: Tensor) -> Tensor:
        """Mean and maximum of hidden frames over each window: (batch, 2 hidden, chunks)."""
        step = CHUNK // FRAME
        mean, highest = functional.avg_pool1d(hidden, WINDOW, step), functional.max_pool1d(hidden, WINDOW, step)
        return torch.cat([mean, highest], dim=1)

    def _pooled(self, recent: Tensor, labels: int) -> tuple[Tensor, Tensor]:
        """Scores and embedding of the window that ends with each chunk."""
        means = functional.avg_pool1d(recent[:, : 2 * labels], WINDOW, CHUNK // FRAME)
        weight, weighted = means.chunk(2, dim=1)
        described = self.describe(self.description(recent[:, 2 * labels :]))
        return weighted / weight.clamp(min=1e-6) + SILENT, functional.normalize(described.float(), dim=1)


class TemporalConv(nn.Module):
    """Context for each frame: a causal depthwise convolution over time and a mixing of channels, residual."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.past = 4 * dilation  # frames kept from call to call
        self.time = nn.Conv1d(width, width, 5, dilation=dilation, groups=width, bias=False)
        self.mix = nn.Conv1d(width, width, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm1d(width), nn.BatchNorm1d(width)])

    def forward(self, hidden: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the outputs."""
        joined = torch.cat([state, hidden], dim=2)
        across = functional.relu(self.norms[0](self.time(joined)))
        return functional.relu(hidden + self.norms[1](self.mix(across))), joined[:, :, -self.past :]


def make_net(recipe: "Recipe") -> SoundNet:
    """The network of a recipe, with random weights from torch's generator."""
    return SoundNet(len(recipe.labels), recipe.spec, recipe.shape, recipe.dropout)


def multiply_adds(net: SoundNet, mels: int) -> int:
    """Multiply-adds of the convolutions for one second of a stream."""
    training, columns = net.training, 100 * CHUNK  # 16 s
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, mels, columns))
    net.train(training)
    return int(counter.get_total_flops()) // 2 // CHUNK


def weights(net: SoundNet) -> int:
    """Number of weights, without those that only training uses."""
    return sum(weight.numel() for name, weight in net.named_parameters() if not name.startswith("teacher"))
