"""The network keeps to its budget and answers for any batch."""

import numpy as np
import pytest
import torch

from models.network import make_net, multiply_adds
from models.recipe import LABELS, Recipe
from models.regularise import freq_mix_style, mask_bands


def test_a_clip_costs_at_most_fifty_million_multiply_adds() -> None:
    recipe = Recipe()
    assert multiply_adds(make_net(recipe), recipe.spec.mels, recipe.spec.columns) <= 50_000_000


def test_the_weights_fit_into_the_bundle() -> None:
    assert sum(weight.numel() for weight in make_net(Recipe()).parameters()) < 680_000


def test_there_are_twenty_six_labels_and_each_has_a_logit() -> None:
    assert len(set(LABELS)) == 26
    logits = make_net(Recipe()).eval()(torch.zeros(3, 64, 297))
    assert logits.shape == (3, 26)


def test_the_answer_to_a_clip_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    net, mels = make_net(Recipe()).eval(), torch.randn(4, 64, 297)
    with torch.inference_mode():
        torch.testing.assert_close(net(mels)[2:3], net(mels[2:3]), rtol=1e-4, atol=1e-4)


def test_the_same_shape_at_another_frequency_is_another_sound() -> None:
    torch.manual_seed(0)
    net, low, high = make_net(Recipe()).eval(), torch.zeros(1, 64, 297), torch.zeros(1, 64, 297)
    low[:, 16:20], high[:, 40:44] = 1.0, 1.0
    with torch.inference_mode():
        assert not torch.allclose(net(low), net(high))


def test_a_mask_covers_one_band_of_some_clips_and_nothing_else() -> None:
    torch.manual_seed(0)
    mel = torch.randn(50, 64, 20)
    changed = (mask_bands(mel, 0.5) != mel).all(dim=2).numpy()  # (clips, mels)
    assert 10 < changed.any(axis=1).sum() < 40
    assert all(np.ptp(np.flatnonzero(row)) + 1 == row.sum() <= 9 for row in changed if row.any())
    assert torch.equal(mask_bands(mel, 0.0), mel)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_freq_mix_style_swaps_statistics_or_does_nothing(share: float) -> None:
    torch.manual_seed(0)
    mel = torch.randn(8, 64, 30) * torch.rand(8, 64, 1) + torch.randn(8, 64, 1)
    mixed = freq_mix_style(mel, share)
    assert torch.equal(mixed, mel) is (share == 0.0)
    assert torch.isfinite(mixed).all()
