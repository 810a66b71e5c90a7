"""Batches are the same for the same step, and hold what a recipe may learn from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.recordings import DataError
from models.network.network import make_net
from models.training.batches import LEVELS, Batches, cache_planes, early, streams_of
from tests.models.sounds import random_pool, tiny_mixing, tiny_recipe

RECIPE = tiny_recipe()
THREE = tiny_recipe(mixing=tiny_mixing(labels=("low", "high", "mid")))


def test_a_batch_is_the_same_for_the_same_step_and_another_for_another() -> None:
    one, other = Batches(RECIPE, random_pool(), "cpu"), Batches(RECIPE, random_pool(), "cpu")
    assert torch.equal(one(5).mel, other(5).mel)
    assert not torch.equal(one(5).mel, one(6).mel)


def test_the_second_phase_has_batches_of_its_own_size() -> None:
    batches = Batches(replace(RECIPE, batch=5, whole_batch=2), random_pool(), "cpu")
    assert (len(batches(0).mel), len(batches(RECIPE.steps).mel)) == (5, 2)


def test_a_label_left_out_narrows_the_targets_and_keeps_its_streams_away() -> None:
    recipe = replace(THREE, leave_out_labels=("high",))
    pool = random_pool(labels=3)
    batch = Batches(recipe, pool, "cpu")(0)
    assert recipe.labels == ("low", "mid")
    assert batch.frames.shape[1] == batch.known.shape[1] == 2
    assert not {int(n) for n in streams_of(recipe, pool)} & {n for n in range(12) if n % 3 == 1}


def test_a_fold_left_out_and_recordings_that_are_not_free_are_not_learned_from() -> None:
    pool = random_pool()
    streams = streams_of(replace(RECIPE, leave_out_fold=2, fewer_folds=(3,), free=True), pool)
    assert set(pool.fold[streams]) == {1}
    assert pool.free[streams].all()


def test_a_recipe_may_use_fewer_streams() -> None:
    assert len(streams_of(replace(RECIPE, streams=4), random_pool())) == 4


def test_where_nothing_is_left_it_says_so() -> None:
    with pytest.raises(DataError) as refused:
        streams_of(replace(RECIPE, fewer_folds=(1, 2, 3)), random_pool())
    assert refused.value.code == "train-nothing-left"


def test_the_teachers_answers_are_standardised_and_may_be_missing() -> None:
    batch = Batches(replace(RECIPE, batch=12), random_pool(), "cpu")(0)
    assert abs(float(batch.teacher.mean())) < 0.1
    assert not Batches(RECIPE, random_pool(teacher=False), "cpu")(0).teacher.numel()


def test_cached_planes_are_the_early_layers_output_and_only_missing_ones_are_computed(tmp_path: Path) -> None:
    net, pool = make_net(RECIPE).eval(), random_pool()
    planes = cache_planes(net, pool, np.array([3, 1]), tmp_path / "planes.npy")
    assert np.array_equal(planes[3], early(net, pool.mel[3:4])[0])
    assert not planes[0].any()
    np.load(tmp_path / "planes.npy", mmap_mode="r+")[3] = 7  # stays: it is done
    again = cache_planes(net, pool, np.array([0, 1, 3]), tmp_path / "planes.npy")
    assert (again[3] == 7).all()
    assert np.array_equal(again[0], early(net, pool.mel[:1])[0])


def test_the_network_answers_cached_planes_as_it_answers_the_spectrogram(tmp_path: Path) -> None:
    net, pool = make_net(RECIPE).eval(), random_pool()
    planes = cache_planes(net, pool, np.arange(12), tmp_path / "planes.npy")
    cached, whole = (Batches(RECIPE, pool, "cpu", each)(0) for each in (planes, None))
    assert not cached.mel.numel()
    with torch.inference_mode():
        assert (
            float((cached.planes - net.front(whole.mel)).abs().max()) < 0.06 + 1 / LEVELS
        )  # bfloat16 where it is fast
        difference = torch.sigmoid(net.back(cached.planes).scores) - torch.sigmoid(net(whole.mel).scores)
    assert float(difference.abs().max()) < 0.05
