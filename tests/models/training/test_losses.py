"""The network is punished for what it could know, and for nothing else."""

import pytest
import torch

from models.network.network import SoundNet, make_net
from models.training.losses import contrast_loss, losses, masked_loss, teacher_loss
from models.training.recipe import Recipe
from models.training.regularise import Batch
from tests.models.sounds import tiny_recipe

TWO_OF_EACH = torch.tensor([[True, False], [True, False], [False, True], [False, True]])
NAN = float("nan")


def parts(recipe: Recipe, *, teacher: bool = True) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    net: SoundNet = make_net(recipe)
    mel, frames = torch.randn(4, 64, 297), torch.rand(4, 2, 38) < 0.5
    heard = torch.randn(4, 5, 521) if teacher else torch.zeros(4, 0, 0)
    return losses(net, net(mel), Batch(mel, TWO_OF_EACH, torch.ones_like(TWO_OF_EACH), frames, heard), recipe)


def test_what_is_not_known_does_not_count() -> None:
    logits, targets = torch.tensor([[4.0, -4.0]]), torch.tensor([[True, True]])
    assert masked_loss(logits, targets, torch.tensor([[True, False]])).item() < 0.02
    assert masked_loss(logits, targets, torch.tensor([[True, True]])).item() > 1.0


def test_a_batch_of_which_nothing_is_known_costs_nothing() -> None:
    assert masked_loss(torch.randn(2, 3), torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)).item() == 0.0


def test_the_teacher_counts_only_in_the_clips_that_it_heard() -> None:
    said, teacher = torch.zeros(2, 5, 3), torch.stack([torch.full((5, 3), 2.0), torch.full((5, 3), NAN)])
    assert teacher_loss(said, teacher).item() == 4.0


def test_a_teacher_that_heard_nothing_costs_nothing_and_can_be_differentiated() -> None:
    said = torch.ones(2, 5, 3, requires_grad=True)
    loss = teacher_loss(said, torch.full((2, 5, 3), NAN))
    loss.backward()
    assert loss.item() == 0.0
    assert said.grad is not None
    assert not said.grad.any()


def test_embeddings_apart_by_label_cost_less_than_those_in_disorder() -> None:
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])
    apart, mixed_up = torch.stack([one, one, other, other]), torch.stack([one, other, one, other])
    assert contrast_loss(apart, TWO_OF_EACH) < 0.1 * contrast_loss(mixed_up, TWO_OF_EACH)


@pytest.mark.parametrize("targets", [torch.zeros(4, 2), torch.ones(4, 2), torch.eye(4)])
def test_the_contrast_of_clips_without_a_pair_is_finite_and_so_is_its_gradient(targets: torch.Tensor) -> None:
    embedding = torch.nn.functional.normalize(torch.randn(4, 8), dim=1).requires_grad_()
    loss = contrast_loss(embedding, targets.bool())
    loss.backward()
    assert torch.isfinite(loss)
    assert embedding.grad is not None
    assert torch.isfinite(embedding.grad).all()


def test_clips_without_a_label_take_no_part_in_the_contrast() -> None:
    named = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    with_noise = torch.cat([named, torch.nn.functional.normalize(torch.randn(3, 8), dim=1)])
    targets = torch.cat([TWO_OF_EACH, torch.zeros(3, 2, dtype=torch.bool)])
    torch.testing.assert_close(contrast_loss(with_noise, targets), contrast_loss(named, TWO_OF_EACH))


def test_likenesses_are_as_fine_in_mixed_precision() -> None:
    torch.manual_seed(0)
    embedding = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = contrast_loss(embedding, TWO_OF_EACH)
    torch.testing.assert_close(mixed, contrast_loss(embedding, TWO_OF_EACH))


def test_every_loss_is_there_and_finite() -> None:
    said = parts(tiny_recipe())
    assert set(said) == {"clips", "frames", "teacher", "contrast"}
    assert all(torch.isfinite(part) for part in said.values())


def test_a_loss_counts_as_much_as_the_recipe_says() -> None:
    once, thrice = parts(tiny_recipe(frame_loss=1.0)), parts(tiny_recipe(frame_loss=3.0))
    torch.testing.assert_close(thrice["frames"], 3 * once["frames"])


def test_losses_that_are_switched_off_are_left_out() -> None:
    assert set(parts(tiny_recipe(frame_loss=0, teacher_loss=0, contrast_loss=0))) == {"clips"}
    assert "teacher" not in parts(tiny_recipe(), teacher=False)
