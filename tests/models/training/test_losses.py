"""The losses ask for what can be known, at the time when the network can know it."""

import pytest
import torch

from models.network.network import LAG, make_net
from models.training.batches import Batches
from models.training.losses import contrast_loss, lagged, losses, masked_loss, window_targets
from models.training.recipe import Recipe
from tests.models.sounds import random_pool, tiny_recipe

FRAMES, CHUNKS = 102, 51
TWO_OF_EACH = torch.tensor([[True, False], [True, False], [False, True], [False, True]])


def sounding(*spans: tuple[int, int]) -> torch.Tensor:
    frames = torch.zeros(1, 1, FRAMES, dtype=torch.bool)
    for first, last in spans:
        frames[..., first:last] = True
    return frames


def windows(frames: torch.Tensor, unknown: torch.Tensor | None = None) -> tuple[list[bool], list[bool]]:
    """Targets of the windows and whether they are known."""
    known = torch.ones_like(frames) if unknown is None else ~unknown
    found = window_targets(frames, known)
    return found.sounding[0, 0].tolist(), found.known[0, 0].tolist()


def parts(recipe: Recipe, *, teacher: bool = True) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    net, batch = make_net(recipe), Batches(recipe, random_pool(teacher=teacher), "cpu")(0)
    return losses(net, net(batch.mel), batch, recipe)


def test_unknown_entries_do_not_count() -> None:
    logits, targets = torch.tensor([[4.0, -4.0]]), torch.tensor([[True, True]])
    assert masked_loss(logits, targets, torch.tensor([[True, False]])).item() < 0.02
    assert masked_loss(logits, targets, torch.tensor([[True, True]])).item() > 1.0


def test_a_batch_without_known_entries_costs_nothing() -> None:
    assert masked_loss(torch.randn(2, 3), torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)).item() == 0.0


def test_targets_are_asked_for_as_late_as_the_network_answers() -> None:
    late = lagged(sounding((10, 20)), False)
    assert torch.equal(late, sounding((10 + LAG, 20 + LAG)))


def test_a_window_has_a_label_that_sounds_in_it() -> None:
    there, known = windows(sounding((20, 30)))
    assert [n for n in range(CHUNKS) if there[n]] == list(range(10, 33))
    assert known[14]
    assert known[0]


def test_what_has_only_just_begun_is_not_asked_for() -> None:
    _, known = windows(sounding((20, 60)))
    assert not known[10]  # two frames of it
    assert known[11]


def test_a_short_sound_that_is_over_is_asked_for() -> None:
    there, known = windows(sounding((20, 22)))
    assert there[12]
    assert known[12]


def test_a_masked_frame_makes_its_windows_unknown_unless_the_label_surely_sounds() -> None:
    _, known = windows(sounding(), sounding((40, 42)))
    assert not any(known[20:39])
    assert known[19]
    assert known[40]
    there, known = windows(sounding((44, 50)), sounding((40, 42)))
    assert there[24]
    assert known[24]


def test_likeness_costs_less_where_labels_are_alike() -> None:
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    mixed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert contrast_loss(apart, TWO_OF_EACH) < contrast_loss(mixed, TWO_OF_EACH)


def test_clips_without_a_label_are_not_compared() -> None:
    embedding = torch.randn(4, 2, requires_grad=True)
    assert contrast_loss(embedding, torch.zeros(4, 2, dtype=torch.bool)).item() == 0.0


@pytest.mark.parametrize(
    ("off", "names"),
    [
        ({}, {"clips", "frames", "teacher", "contrast"}),
        ({"teacher_loss": 0.0}, {"clips", "frames", "contrast"}),
        ({"frame_loss": 0.0, "contrast_loss": 0.0}, {"clips", "teacher"}),
    ],
    ids=["all", "no teacher", "clips and teacher"],
)
def test_losses_that_are_off_are_left_out(off: dict[str, float], names: set[str]) -> None:
    assert set(parts(tiny_recipe(**off))) == names


def test_without_a_teacher_there_is_no_loss_of_it() -> None:
    assert "teacher" not in parts(tiny_recipe(), teacher=False)
