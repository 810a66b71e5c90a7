"""A run can be stopped and resumed, its checkpoint alone rebuilds the network, and wrong flags are refused early."""

import logging
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from listener.errors import ListenerError
from models.data.pool import Pool
from models.data.recordings import DataError
from models.network.network import make_net
from models.train import RunOptions, main, train
from models.training import checkpoint
from models.training.batches import Batches
from models.training.checkpoint import Checkpoint
from models.training.command import command
from models.training.preflight import check_left_out, check_pretrained, check_same_run, log_recordings
from models.training.recipe import Recipe, from_plain, to_plain
from models.training.trainer import Trainer, early_weights, learning_rate, take_weights
from tests.models.sounds import COLUMNS, label_folders, listed, random_pool, tiny_mixing, tiny_recipe

ONCE = RunOptions()


@pytest.fixture(scope="module")
def pool() -> Pool:
    return random_pool()


def trained(recipe: Recipe, pool: Pool, out: Path, options: RunOptions = ONCE) -> Checkpoint:
    out.mkdir(exist_ok=True)
    return checkpoint.load(train(recipe, pool, out, options))


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(pool: Pool, tmp_path: Path) -> None:
    unbroken = trained(tiny_recipe(), pool, tmp_path / "unbroken")
    half = trained(tiny_recipe(), pool, tmp_path / "broken", RunOptions(until=3))
    whole = trained(tiny_recipe(), pool, tmp_path / "broken", RunOptions(resume=True))
    assert (half.step, whole.step) == (3, 4)
    for name in unbroken.averaged:
        assert torch.equal(whole.averaged[name], unbroken.averaged[name]), name
        assert torch.equal(whole.weights[name], unbroken.weights[name]), name


def test_a_finished_run_stays_as_it_is_when_resumed(pool: Pool, tmp_path: Path) -> None:
    done = trained(tiny_recipe(), pool, tmp_path)
    again = trained(tiny_recipe(), pool, tmp_path, RunOptions(resume=True))
    assert again.step == done.step == 4
    assert all(torch.equal(again.weights[name], weight) for name, weight in done.weights.items())


class Interrupting:
    """Spectrograms of a pool; Ctrl-C is pressed while a batch of them is gathered."""

    def __init__(self, mel: np.ndarray, batch: int) -> None:
        self._mel, self._left = mel, batch

    def __getitem__(self, streams: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left == 0:
            signal.raise_signal(signal.SIGINT)
        return self._mel[streams]


def test_ctrl_c_ends_a_run_after_its_step(pool: Pool, tmp_path: Path) -> None:
    interrupting = replace(pool, mel=Interrupting(pool.mel, 2))
    assert command(lambda: train(tiny_recipe(), interrupting, tmp_path, RunOptions())) == 130
    assert checkpoint.load(tmp_path / "checkpoint.pt").step == 2


def test_early_layers_rest_in_the_first_phase_and_learn_in_the_second(pool: Pool) -> None:
    trainer = Trainer(tiny_recipe(), "cpu")
    before = [weight.clone() for weight in early_weights(trainer.net)]
    head = trainer.net.answer.weight.clone()
    cached = replace(Batches(trainer.recipe, pool, "cpu")(0), mel=torch.empty(0), planes=torch.rand(3, 256, 8, 102))
    trainer(cached)
    assert all(torch.equal(a, b) for a, b in zip(before, early_weights(trainer.net), strict=True))
    assert not torch.equal(head, trainer.net.answer.weight)
    parts = trainer(Batches(trainer.recipe, pool, "cpu")(3))
    assert "anchor" in parts
    assert not any(torch.equal(a, b) for a, b in zip(before, early_weights(trainer.net), strict=True))


def test_each_phase_has_a_cycle_of_its_own() -> None:
    recipe = Recipe(steps=1000, whole_steps=100)
    rates = [learning_rate(recipe, step) for step in range(1100)]
    assert int(np.argmax(rates)) == pytest.approx(60, abs=2)
    assert max(rates) == pytest.approx(recipe.peak_rate, rel=0.02)
    assert max(rates[1000:]) == pytest.approx(recipe.whole_rate, rel=0.02)
    assert rates[999] < 0.02 * recipe.peak_rate
    assert rates[1099] < 0.02 * recipe.whole_rate


def test_another_seed_is_another_network(pool: Pool, tmp_path: Path) -> None:
    one, other = (trained(tiny_recipe(seed=seed, steps=1), pool, tmp_path / str(seed)) for seed in (1, 2))
    assert not torch.equal(one.weights["describe.weight"], other.weights["describe.weight"])


def test_a_run_may_start_from_a_checkpoint_with_other_labels(pool: Pool, tmp_path: Path) -> None:
    source = trained(tiny_recipe(), pool, tmp_path)
    net = make_net(tiny_recipe(mixing=tiny_mixing(labels=("new", "high", "low"))))
    fresh = net.answer.weight.detach().clone()
    take_weights(net, ("new", "high", "low"), source)
    theirs, ours = source.averaged["answer.weight"], net.answer.weight
    assert torch.equal(ours[[1, 2, 4, 5]], theirs[[1, 0, 3, 2]])
    assert torch.equal(ours[[0, 3]], fresh[[0, 3]])
    assert torch.equal(net.late.weight, source.averaged["late.weight"])


def test_a_run_whose_loss_is_no_number_ends_and_saves_nothing(tmp_path: Path) -> None:
    pool = random_pool()
    pool.mel[:] = np.nan
    with pytest.raises(DataError) as ended:
        train(tiny_recipe(), pool, tmp_path, RunOptions())
    assert ended.value.code == "train-diverged"
    assert not (tmp_path / "checkpoint.pt").exists()


def test_it_trains_without_a_teacher_and_with_every_other_loss_off(tmp_path: Path) -> None:
    recipe = tiny_recipe(frame_loss=0.0, teacher_loss=0.0, contrast_loss=0.0, anchor=0.0)
    assert trained(recipe, random_pool(teacher=False), tmp_path).step == 4


def test_a_checkpoint_alone_rebuilds_the_network_and_its_front_end(pool: Pool, tmp_path: Path) -> None:
    written = trained(tiny_recipe(), pool, tmp_path)
    again = checkpoint.load(tmp_path / "checkpoint.pt")
    mel = torch.randn(2, 64, COLUMNS)
    with torch.inference_mode():
        assert all(torch.equal(a, b) for a, b in zip(written.net()(mel), again.net()(mel), strict=True))
    assert again.recipe == tiny_recipe()
    assert again.log_mel().columns(np.zeros(130_800, np.float32)).shape == (64, COLUMNS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(torch.zeros(3), id="a tensor"),
        pytest.param({"format": checkpoint.FORMAT}, id="nothing but its format"),
        pytest.param({"format": 1}, id="an old format"),
        pytest.param(dict.fromkeys(checkpoint.REQUIRED, 1) | {"format": checkpoint.FORMAT}, id="numbers"),
    ],
)
def test_a_file_that_is_no_checkpoint_of_this_version_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ListenerError) as refused:
        checkpoint.load(tmp_path / "checkpoint.pt")
    assert refused.value.code == "train-checkpoint"


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_file_that_torch_cannot_read_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ListenerError) as refused:
        checkpoint.load(tmp_path / "checkpoint.pt")
    assert refused.value.code == "train-checkpoint"


def test_a_recipe_survives_the_checkpoint_and_strange_keys_do_not() -> None:
    recipe = Recipe(leave_out_fold=3, leave_out_labels=("siren",), leave_out_datasets=("music",))
    plain = to_plain(recipe)
    assert from_plain(plain) == recipe
    for stranger in ({**plain, "colour": 1}, {**plain, "mixing": {**plain["mixing"], "colour": 1}}):
        with pytest.raises(ValueError, match="colour"):
            from_plain(stranger)


def test_the_default_bundle_has_no_label_that_needs_recordings_that_are_not_free() -> None:
    assert set(Recipe(free=False).labels) - set(Recipe().labels) == {
        "air_conditioner", "children_playing", "drilling", "jackhammer", "gun_shot"
    }  # fmt: skip


def test_a_label_that_the_pool_lacks_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="whistle"):
        tiny_recipe(leave_out_labels=("whistle",))


def test_a_run_is_not_resumed_as_another_and_all_differences_are_named(pool: Pool, tmp_path: Path) -> None:
    earlier = trained(tiny_recipe(), pool, tmp_path, RunOptions(until=1))
    with pytest.raises(DataError) as refused:
        check_same_run(earlier, replace(tiny_recipe(), steps=9, dropout=0.0), [tmp_path])
    assert refused.value.code == "train-resume"
    assert all(name in refused.value.message for name in ("steps=9", "dropout=0.0", "data="))


def test_the_log_says_which_recordings_are_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sounds = label_folders(tmp_path / "sounds")
    (sounds / "low" / "notes.txt").touch()
    with caplog.at_level(logging.INFO):
        assert len(log_recordings([sounds], ["low"])) == 4
    assert "low 2" in caplog.text
    assert ".txt 1" in caplog.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"leave_out_fold": 9}, "train-fold"), ({"leave_out_datasets": ("One",)}, "train-dataset")],
    ids=str,
)
def test_what_no_recording_is_of_cannot_be_left_out(changes: dict[str, object], code: str, tmp_path: Path) -> None:
    recordings = log_recordings([listed(tmp_path / "sounds", (("low", "one", 1), ("high", "one", 2)))], ["low"])
    check_left_out(tiny_recipe(leave_out_fold=2, leave_out_datasets=("one",)), recordings)
    with pytest.raises(DataError) as refused:
        check_left_out(tiny_recipe(**changes), recordings)
    assert refused.value.code == code


def test_without_yamnet_a_run_that_starts_from_it_is_refused(tmp_path: Path) -> None:
    check_pretrained(tiny_recipe(), tmp_path / "yamnet.tflite")
    with pytest.raises(DataError) as refused:
        check_pretrained(Recipe(), tmp_path / "yamnet.tflite")
    assert refused.value.code == "train-yamnet"


@pytest.mark.parametrize(
    "words",
    [["--leave-out-fold", "0"], ["--steps", "-1"], ["--set", "shape.layers=13"], ["--set", "colour=1"]],
    ids=str,
)
def test_a_flag_that_cannot_be_is_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), "--threads", "1", *words]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["--out", str(tmp_path / "file"), "--threads", "1"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_on_sounds_of_ones_own_is_resumed_with_no_flag_but_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_folders(tmp_path / "sounds")
    monkeypatch.chdir(tmp_path)  # the pool goes to runs/cache
    settings = (
        "batch=2", "whole_batch=2", "whole_steps=1", "shape.pretrained=false", "shape.layers=7", "shape.hidden=16",
        "mixing.rooms=2", "mixing.noises=2", "mixing.responses=2", "teacher_loss=0",
    )  # fmt: skip
    words = ["--data", "sounds", "--labels", "low", "high", "--streams", "100", "--steps", "2", "--until", "1"]
    always = ["--out", "out", "--threads", "1", "--device", "cpu"]
    assert main([*always, *words, *(word for setting in settings for word in ("--set", setting))]) == 0
    assert main([*always, "--resume"]) == 0
    whole = checkpoint.load(tmp_path / "out" / "checkpoint.pt")
    assert (whole.step, whole.recipe.labels, whole.data) == (3, ("low", "high"), (Path("sounds"),))
    assert whole.projection is not None
