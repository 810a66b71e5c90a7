"""A run can be stopped and taken up; its checkpoint alone rebuilds what it trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from listener.errors import ListenerError
from models import checkpoint
from models.recipe import Recipe, from_plain, to_plain
from models.train import Manner, learning_rate, masked_loss, train
from tests.models.sounds import label_folders, tiny_recipe


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return label_folders(tmp_path_factory.mktemp("train") / "sounds")


def trained(sounds: Path, out: Path, *, resume: bool = False, until: int | None = None) -> checkpoint.Checkpoint:
    out.mkdir(exist_ok=True)
    manner = Manner(resume=resume, until=until, cache=sounds.parent / "cache")
    return checkpoint.load(train(tiny_recipe(), [sounds], out, manner))


def test_a_resumed_run_ends_where_an_unbroken_one_does(sounds: Path, tmp_path: Path) -> None:
    unbroken = trained(sounds, tmp_path / "unbroken")
    half = trained(sounds, tmp_path / "broken", until=2)
    whole = trained(sounds, tmp_path / "broken", resume=True)
    assert (half.step, whole.step) == (2, 4)
    for name, weight in unbroken.averaged.items():
        torch.testing.assert_close(whole.averaged[name], weight, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_alone_rebuilds_the_net_and_its_front_end(sounds: Path, tmp_path: Path) -> None:
    written = trained(sounds, tmp_path / "run")
    again = checkpoint.load(tmp_path / "run" / "checkpoint.pt")
    mel = torch.randn(2, 64, 297)
    with torch.inference_mode():
        assert torch.equal(written.net()(mel), again.net()(mel))
    assert again.recipe == tiny_recipe()
    columns = again.log_mel().columns(np.zeros(48_000, np.float32))
    assert columns.shape == (64, 297)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ListenerError, match=r"checkpoint\.pt"):
        checkpoint.load(tmp_path / "checkpoint.pt")


def test_a_recipe_survives_the_checkpoint_and_strange_keys_do_not() -> None:
    recipe = Recipe(leave_out_fold=3)
    assert from_plain(to_plain(recipe)) == recipe
    with pytest.raises(ValueError, match="colour"):
        from_plain({**to_plain(recipe), "colour": 1})


def test_the_learning_rate_rises_shortly_and_falls_to_next_to_nothing() -> None:
    recipe = Recipe(steps=1000)
    rates = [learning_rate(recipe, step) for step in range(1000)]
    assert int(np.argmax(rates)) == pytest.approx(60, abs=2)
    assert max(rates) <= recipe.peak_rate
    assert rates[-1] < 0.01 * recipe.peak_rate


def test_what_is_not_known_does_not_count_in_the_loss() -> None:
    logits, targets = torch.tensor([[4.0, -4.0]]), torch.tensor([[1.0, 1.0]])
    assert masked_loss(logits, targets, torch.tensor([[1.0, 0.0]])).item() < 0.02
    assert masked_loss(logits, targets, torch.ones(1, 2)).item() > 1.0
