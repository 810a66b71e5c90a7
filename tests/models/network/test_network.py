"""A stream in chunks is answered as at once, from what came before, and a clip's score is of its last 3 s."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from listener.pipeline.features import FeatureSpec
from models.network.body import CHUNK
from models.network.network import (
    FRAME,
    SILENT,
    TEACHER_DELAY,
    WINDOW,
    Answers,
    SoundNet,
    multiply_adds,
    weights,
)
from models.network.shape import Shape

SPEC = FeatureSpec()
SMALL = Shape(layers=7, pretrained=False, hidden=16, embedding=8)
CHUNKS = 40


def net_of(shape: Shape = SMALL, labels: int = 3) -> SoundNet:
    torch.manual_seed(0)
    net = SoundNet(labels, SPEC, shape, dropout=0.1).eval()
    with torch.no_grad():  # random weights that do not fade from layer to layer
        for layer in net.body.layers:
            for weight in layer.parameters():
                if weight.ndim > 1:
                    torch.nn.init.kaiming_normal_(weight)
        net.answer.weight.mul_(10)
    return net


def stream(chunks: int = CHUNKS, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    mel = torch.randn(batch, 64, chunks * CHUNK, generator=generator)
    return mel * 0.5 - 1 + torch.linspace(-1, 1, chunks * CHUNK).sin()


@torch.inference_mode()
def in_chunks(net: SoundNet, mel: Tensor, sizes: Sequence[int]) -> Answers:
    state, parts, start = net.initial(len(mel)), [], 0
    for size in sizes:
        answers, state = net.step(mel[:, :, start * CHUNK : (start + size) * CHUNK], state)
        parts.append(answers)
        start += size
    return Answers(*(torch.cat(part, dim=2) for part in zip(*parts, strict=True)))


@pytest.mark.parametrize("sizes", [[1] * 40, [2] * 20, [3] * 13 + [1], [19, 1, 20], [40]], ids=str)
def test_a_stream_in_chunks_is_answered_as_at_once(sizes: list[int]) -> None:
    net, mel = net_of(), stream()
    with torch.inference_mode():
        whole = net(mel)
    for ours, theirs in zip(in_chunks(net, mel, sizes), whole, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_whole_network_in_chunks_too() -> None:
    net, mel = net_of(Shape(pretrained=False)), stream(12, 1)
    with torch.inference_mode():
        whole = net(mel)
    for ours, theirs in zip(in_chunks(net, mel, [3] * 4), whole, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_nothing_later_changes_an_answer() -> None:
    net, mel = net_of(), stream()
    changed = mel.clone()
    changed[:, :, 20 * CHUNK :] += 1
    with torch.inference_mode():
        one, other = net(mel), net(changed)
    torch.testing.assert_close(one.scores[:, :, :20], other.scores[:, :, :20])
    torch.testing.assert_close(one.frames[:, :, :40], other.frames[:, :, :40])
    assert not torch.allclose(one.frames[:, :, 40:], other.frames[:, :, 40:])


def test_back_of_front_is_the_network() -> None:
    net, mel = net_of(), stream(6)
    with torch.inference_mode():
        plane = net.front(mel)
        assert plane.shape == (2, 256, 8, 12)
        assert plane.min() >= 0
        assert plane.max() <= 6
        for ours, theirs in zip(net.back(plane), net(mel), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_shapes() -> None:
    net = net_of()
    with torch.inference_mode():
        answers = net(stream())
    assert answers.frames.shape == (2, 3, CHUNKS * CHUNK // FRAME)
    assert answers.scores.shape == (2, 3, CHUNKS)
    assert answers.embedding.shape == (2, 8, CHUNKS)
    torch.testing.assert_close(answers.embedding.norm(dim=1), torch.ones(2, CHUNKS))
    assert net.taught(answers.hidden).shape == (2, 1 + (CHUNKS - TEACHER_DELAY - 6) // 3, 521)


def test_a_score_lies_within_the_frame_scores_of_its_window() -> None:
    with torch.inference_mode():
        answers = net_of()(stream())
    per_chunk = CHUNK // FRAME
    for chunk in (0, 10, 25, 39):
        stop = (chunk + 1) * per_chunk
        window = answers.frames[:, :, max(0, stop - WINDOW) : stop]
        score = answers.scores[:, :, chunk]
        assert (score <= window.amax(dim=2) + 1e-4).all()
        lowest = window.amin(dim=2)
        assert (score >= (lowest if stop >= WINDOW else lowest.clamp(max=SILENT)) - 1e-4).all()


def test_a_sound_that_has_left_the_window_leaves_the_score() -> None:
    net = net_of()
    quiet = torch.full((1, 64, 60 * CHUNK), -4.0)
    loud = quiet.clone()
    loud[:, :, : 10 * CHUNK] = 0.0
    with torch.inference_mode():
        one, other = net(loud).frames, net(quiet).frames
        changed = (one - other).abs().amax(dim=(0, 1)) > 1e-3
        scores = (net(loud).scores - net(quiet).scores).abs().amax(dim=(0, 1))
    last = int(changed.nonzero().max()) // 2
    assert last + WINDOW // 2 < 59
    assert scores[last + WINDOW // 2 + 1 :].max() < 1e-2


def test_a_projection_replaces_the_embedding() -> None:
    net, mel = net_of(), stream(6)
    generator = torch.Generator().manual_seed(2)
    weight, bias = torch.randn(5, 32, generator=generator), torch.randn(5, generator=generator)
    net.project(weight, bias)
    with torch.inference_mode():
        hidden = net(mel).hidden
        described = net.description(torch.nn.functional.pad(hidden, (WINDOW - 2, 0)))
        expected = torch.nn.functional.normalize(torch.einsum("oi,bic->boc", weight, described) + bias[:, None], dim=1)
        torch.testing.assert_close(net(mel).embedding, expected, atol=1e-5, rtol=1e-4)


def test_the_cost_is_that_of_a_second() -> None:
    net = net_of(Shape(pretrained=False), labels=60)
    assert 60e6 < multiply_adds(net, 64) < 80e6
    assert 2.3e6 < weights(net) < 2.7e6
    assert net.training is False
