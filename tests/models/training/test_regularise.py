"""Clips are added as sounds add, and what nobody could be sure of then is not asked."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from models.network.network import loudness
from models.training.regularise import Batch, add_pairs, freq_mix_style, mask_bands, regularise, response_db, shift_rows
from tests.models.sounds import tiny_recipe

EQUALLY_LOUD, FAINT, LOUD = (0.0, 0.0), (-15.0, -15.0), (3.0, 3.0)


def batch(mel: Tensor, *, known: Tensor | None = None) -> Batch:
    """Two clips: the first has label 0 in its first frame, the second label 1 in its last; neither has label 2."""
    targets = torch.tensor([[True, False, False], [False, True, False]])
    frames = torch.zeros(2, 3, 38, dtype=torch.bool)
    frames[0, 0, 0] = frames[1, 1, -1] = True
    sure = torch.ones(2, 3, dtype=torch.bool) if known is None else known
    return Batch(mel, targets, sure, frames, torch.zeros(2, 5, 4))


def noise(clips: int = 2) -> Tensor:
    return torch.randn(clips, 64, 20, generator=torch.Generator().manual_seed(0))


def test_two_equal_clips_are_three_decibels_louder() -> None:
    mel = noise(1).expand(2, -1, -1)
    louder_db = 20 * (add_pairs(batch(mel), 1.0, EQUALLY_LOUD).mel - mel)
    torch.testing.assert_close(louder_db, torch.full_like(mel, 10 * math.log10(2)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("level_db", [-15.0, 0.0, 3.0])
def test_the_other_clip_is_added_at_the_level_asked_for(level_db: float) -> None:
    mel = noise() + torch.tensor([0.0, 2.0]).view(2, 1, 1)
    added_db = 20 * (loudness(add_pairs(batch(mel), 1.0, (level_db, level_db)).mel) - loudness(mel)).flatten()
    torch.testing.assert_close(
        added_db, torch.full((2,), 10 * math.log10(1 + 10 ** (level_db / 10))), atol=0.01, rtol=0
    )


def test_both_clips_labels_and_frames_are_there() -> None:
    both = add_pairs(batch(noise()), 1.0, EQUALLY_LOUD)
    assert both.targets.tolist() == [[True, True, False]] * 2
    assert both.known.all()
    assert both.frames[:, 0, 0].all()
    assert both.frames[:, 1, -1].all()
    assert both.frames.sum() == 4


def test_what_is_drowned_by_the_clip_it_is_added_to_is_not_asked() -> None:
    assert add_pairs(batch(noise()), 1.0, FAINT).known.tolist() == [[True, False, True], [False, True, True]]


def test_what_is_surely_in_one_clip_is_asked_whatever_the_other_is_unsure_of() -> None:
    unsure_of_the_others = torch.tensor([[False, True, True], [True, False, True]])
    certain = torch.tensor([[True, False, True], [False, True, True]])
    assert add_pairs(batch(noise(), known=certain), 1.0, EQUALLY_LOUD).known.all()
    kept = add_pairs(batch(noise(), known=unsure_of_the_others), 1.0, LOUD).known
    assert kept.tolist() == [[False, False, True]] * 2


def test_what_neither_clip_has_is_asked_only_where_both_are_sure() -> None:
    one_unsure = torch.tensor([[True, True, True], [True, True, False]])
    assert not add_pairs(batch(noise(), known=one_unsure), 1.0, EQUALLY_LOUD).known[:, 2].any()


def test_the_teacher_did_not_hear_what_was_added() -> None:
    assert add_pairs(batch(noise()), 1.0, EQUALLY_LOUD).teacher.isnan().all()


def test_a_clip_to_which_nothing_is_added_stays_as_it_was() -> None:
    before = batch(noise(), known=torch.tensor([[True, False, True], [True, True, False]]))
    after = add_pairs(before, 0.0, EQUALLY_LOUD)
    for name in Batch.__slots__:
        assert torch.equal(getattr(after, name), getattr(before, name)), name


def test_a_clip_of_digital_silence_adds_nothing_but_finite_numbers() -> None:
    silence = torch.full((2, 64, 20), -2.5)
    assert torch.isfinite(add_pairs(batch(silence), 1.0, LOUD).mel).all()


def test_a_recipe_without_regularisers_changes_nothing() -> None:
    recipe, before = tiny_recipe(pairs=0.0, gain_db=0.0, mix_style=0.0, masks=0.0), batch(noise())
    assert torch.equal(regularise(before, recipe).mel, before.mel)


def test_a_response_is_smooth_the_same_all_clip_long_and_leaves_the_level() -> None:
    torch.manual_seed(0)
    response = response_db(noise(50), 4.0)
    assert response.shape == (50, 64, 1)
    assert response.mean(dim=1).abs().max() < 1e-4
    assert 1 < response.std() < 5
    assert response.diff(dim=1).abs().max() < 2
    assert not response_db(noise(2), 0.0).any()


def test_rows_move_by_no_more_than_was_asked() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(64.0).view(1, 64, 1).expand(40, 64, 5)
    moves = (shift_rows(ramp, 2) - ramp)[:, 10, 0]
    assert set(moves.tolist()) == {-2, -1, 0, 1, 2}
    assert torch.equal(shift_rows(ramp, 0), ramp)


def test_a_gain_is_one_number_for_a_clip_and_within_its_limits() -> None:
    torch.manual_seed(0)
    before = replace(batch(noise(2)), mel=noise(2))
    gain_db = 20 * (regularise(before, tiny_recipe(pairs=0.0, mix_style=0.0, masks=0.0)).mel - before.mel)
    assert gain_db.std(dim=(1, 2)).max() < 1e-4
    assert 0 < gain_db.abs().max() <= 6


def test_a_mask_covers_one_band_of_some_clips_and_nothing_else() -> None:
    torch.manual_seed(0)
    mel = torch.randn(50, 64, 20)
    changed = (mask_bands(mel, 0.5) != mel).all(dim=2).numpy()  # (clips, mels)
    assert 10 < changed.any(axis=1).sum() < 40
    assert all(np.ptp(np.flatnonzero(row)) + 1 == row.sum() <= 9 for row in changed if row.any())
    assert torch.equal(mask_bands(mel, 0.0), mel)


def test_every_row_is_masked_now_and_then() -> None:
    torch.manual_seed(0)
    mel = torch.randn(2000, 12, 4)
    assert (mask_bands(mel, 1.0) != mel).all(dim=2).any(dim=0).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_freq_mix_style_swaps_statistics_or_does_nothing(share: float) -> None:
    torch.manual_seed(0)
    mel = torch.randn(8, 64, 30) * torch.rand(8, 64, 1) + torch.randn(8, 64, 1)
    mixed = freq_mix_style(mel, share)
    assert torch.equal(mixed, mel) is (share == 0.0)
    assert torch.isfinite(mixed).all()
