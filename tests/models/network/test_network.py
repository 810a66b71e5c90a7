"""The network keeps to its budget, answers for any batch, and every switch of its shape can be thrown."""

import librosa
import pytest
import torch

from models.network.network import make_net, multiply_adds
from models.network.stages import Stages, SubSpectralNorm
from models.training.losses import losses
from models.training.recipe import LABELS, Recipe, Shape
from models.training.regularise import Batch
from tests.models.sounds import tiny_recipe, tiny_shape

SWITCHES: dict[str, dict[str, object]] = {
    "as it is": {},
    "level kept": {"level_free": False},
    "no frequency": {"frequency": False},
    "sub-bands": {"sub_bands": 4},
    "tall": {"tall": 9},
    "harmonics": {"harmonics": True},
    "modulation": {"modulation": 8},
    "frames deaf to each other": {"serial": "none"},
    "recurrent": {"serial": "gru"},
    "mean": {"pooling": "mean"},
    "max": {"pooling": "max"},
}


@pytest.mark.parametrize(("layers", "budget"), [(12, 205_000_000), (0, 70_000_000)])
def test_a_clip_costs_no_more_than_is_allowed(layers: int, budget: int) -> None:
    recipe = Recipe(shape=Shape(pretrained=layers))
    assert multiply_adds(make_net(recipe), recipe.spec.mels, recipe.spec.columns) <= budget


def test_a_front_ends_product_is_paid_for_like_a_layer() -> None:
    spec = Recipe().spec
    dear, free = (make_net(tiny_recipe(front_end=front)) for front in ("pcen", "log-mel"))
    more = multiply_adds(dear, spec.mels, spec.columns) - multiply_adds(free, spec.mels, spec.columns)
    assert more == spec.mels * spec.columns**2


def test_a_recurrent_layer_is_paid_for_at_every_frame() -> None:
    recurrent, deaf = (make_net(tiny_recipe(shape=tiny_shape(serial=serial))) for serial in ("gru", "none"))
    matrices = sum(weight.numel() for weight in recurrent.serial.parameters() if weight.ndim == 2)
    assert multiply_adds(recurrent, 64, 297) - multiply_adds(deaf, 64, 297) == 38 * matrices


def test_there_are_twenty_six_labels_and_each_has_a_logit_for_the_clip_and_for_each_frame() -> None:
    assert len(set(LABELS)) == 26
    answers = make_net(Recipe()).eval()(torch.zeros(3, 64, 297))
    assert answers.scores.shape == (3, 26)
    assert answers.frames.shape == (3, 26, 38)
    assert answers.embedding.shape == (3, 128)


def test_labels_left_out_have_no_logit() -> None:
    answers = make_net(Recipe(leave_out_labels=("siren", "music"))).eval()(torch.zeros(1, 64, 297))
    assert answers.scores.shape == (1, 24)
    assert answers.frames.shape == (1, 24, 38)


def test_what_the_teacher_would_say_is_five_windows_of_its_classes() -> None:
    net = make_net(tiny_recipe()).eval()
    assert net.taught(net(torch.zeros(2, 64, 297)).hidden).shape == (2, 5, 521)


@pytest.mark.parametrize("switch", SWITCHES.values(), ids=SWITCHES)
def test_every_switch_builds_a_network_that_learns_from_every_loss(switch: dict[str, object]) -> None:
    torch.manual_seed(0)
    recipe = tiny_recipe(shape=tiny_shape(**switch))
    net, flags = make_net(recipe), torch.rand(4, 2) < 0.5
    answers = net(mel := torch.randn(4, 64, 297))
    batch = Batch(mel, flags, torch.ones_like(flags), torch.rand(4, 2, 38) < 0.5, torch.randn(4, 5, 521))
    torch.stack(list(losses(net, answers, batch, recipe).values())).sum().backward()
    assert answers.scores.shape == (4, 2)
    unlearned = {
        name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.isfinite().all()
    }
    assert not unlearned


@pytest.mark.parametrize("change", [-2.0, 0.5, 3.0])
def test_a_level_free_network_hears_the_same_at_every_level(change: float) -> None:
    torch.manual_seed(0)
    net, mel = make_net(tiny_recipe()).eval(), torch.randn(2, 64, 297)
    with torch.inference_mode():
        for there, here in zip(net(mel + change), net(mel), strict=True):
            torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)


def test_a_network_that_keeps_the_level_does_not() -> None:
    torch.manual_seed(0)
    net, mel = make_net(tiny_recipe(shape=tiny_shape(level_free=False))).eval(), torch.randn(2, 64, 297)
    with torch.inference_mode():
        assert not torch.allclose(net(mel + 3).scores, net(mel).scores, atol=1e-3)


def test_embeddings_are_of_unit_length() -> None:
    lengths = make_net(tiny_recipe()).eval()(torch.randn(5, 64, 297)).embedding.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(5))


def test_the_answer_to_a_clip_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    net, mels = make_net(Recipe()).eval(), torch.randn(4, 64, 297)
    with torch.inference_mode():
        for all_of_them, one in zip(net(mels), net(mels[2:3]), strict=True):
            torch.testing.assert_close(all_of_them[2:3], one, rtol=1e-4, atol=1e-4)


def test_the_same_shape_at_another_frequency_is_another_sound() -> None:
    torch.manual_seed(0)
    net, low, high = make_net(Recipe()).eval(), torch.zeros(1, 64, 297), torch.zeros(1, 64, 297)
    low[:, 16:20], high[:, 40:44] = 1.0, 1.0
    with torch.inference_mode():
        assert not torch.allclose(net(low).scores, net(high).scores)


def test_the_highest_moment_is_the_clips_score_when_it_is_pooled_so() -> None:
    net = make_net(tiny_recipe(shape=tiny_shape(pooling="max"))).eval()
    answers = net(torch.randn(2, 64, 297))
    assert torch.equal(answers.scores, answers.frames.amax(dim=2))


def test_attention_lies_between_the_lowest_and_the_highest_moment() -> None:
    answers = make_net(tiny_recipe()).eval()(torch.randn(3, 64, 297))
    assert (answers.frames.amin(dim=2) <= answers.scores).all()
    assert (answers.scores <= answers.frames.amax(dim=2)).all()


def test_octaves_show_each_row_what_is_twice_as_high_and_half_as_high() -> None:
    recipe = tiny_recipe()
    low, high = recipe.spec.f_min_hz, recipe.spec.f_max_hz
    centres_hz = librosa.mel_frequencies(recipe.spec.mels + 2, fmin=low, fmax=high, htk=True)
    rows = torch.tensor(centres_hz[1:-1], dtype=torch.float32)
    above, below = Stages(recipe.spec, recipe.shape, 0.0, recipe.front_end).octaves @ rows
    inner = (rows > 2 * rows[0]) & (rows < rows[-1] / 2)
    torch.testing.assert_close(above[inner], 2 * rows[inner], rtol=1e-3, atol=0)
    torch.testing.assert_close(below[inner], rows[inner] / 2, rtol=1e-3, atol=0)
    assert not above[rows > rows[-1] / 2 + 1].any()


def test_sub_bands_are_normalised_apart() -> None:
    plane = torch.cat([torch.randn(8, 3, 4, 20), 10 + 5 * torch.randn(8, 3, 4, 20)], dim=2)
    normalised = SubSpectralNorm(3, 2)(plane)
    for band in normalised.chunk(2, dim=2):
        torch.testing.assert_close(band.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
