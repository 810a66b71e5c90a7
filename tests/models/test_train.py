"""A run can be stopped and taken up; its checkpoint alone rebuilds what it trained; several processes make one."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from listener.errors import ListenerError
from models.data.pool import DATA, Pool, open_pool, pool_folder
from models.data.recordings import DataError, Recording, read_any
from models.evaluation.yamnet import CLASSES
from models.network import embedding
from models.network.network import make_net
from models.train import Manner, main, train
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command
from models.training.preflight import check_heard, told
from models.training.recipe import Mixing, Recipe, from_plain, to_plain
from models.training.settings import resuming_command, with_settings
from models.training.trainer import Batches, learning_rate
from tests.models.sounds import label_folders, listed, random_pool, tiny_mixing, tiny_recipe

THREE_LABELS = tiny_mixing(labels=("low", "high", "mid"))


@pytest.fixture(scope="module")
def pool() -> Pool:
    return random_pool()


def trained(recipe: Recipe, pool: Pool, out: Path, manner: Manner | None = None) -> Checkpoint:
    out.mkdir(exist_ok=True)
    return checkpoint.load(train(recipe, pool, out, manner or Manner()))


def test_a_resumed_run_ends_with_the_very_weights_of_an_unbroken_one(pool: Pool, tmp_path: Path) -> None:
    unbroken = trained(tiny_recipe(), pool, tmp_path / "unbroken")
    half = trained(tiny_recipe(), pool, tmp_path / "broken", Manner(until=2))
    whole = trained(tiny_recipe(), pool, tmp_path / "broken", Manner(resume=True))
    assert (half.step, whole.step) == (2, 4)
    for name in unbroken.averaged:
        assert torch.equal(whole.averaged[name], unbroken.averaged[name]), name
        assert torch.equal(whole.weights[name], unbroken.weights[name]), name


def test_a_run_that_is_done_stays_as_it_is_when_taken_up(pool: Pool, tmp_path: Path) -> None:
    done = trained(tiny_recipe(), pool, tmp_path)
    again = trained(tiny_recipe(), pool, tmp_path, Manner(resume=True, until=1))
    assert again.step == done.step == 4
    assert all(torch.equal(again.weights[name], weight) for name, weight in done.weights.items())


class Interrupting:
    """Mels of a pool; Ctrl-C is pressed while a batch of them is gathered."""

    def __init__(self, mel: np.ndarray, batch: int) -> None:
        self._mel, self._left = mel, batch

    def __getitem__(self, clips: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left == 0:
            signal.raise_signal(signal.SIGINT)
        return self._mel[clips]


def test_ctrl_c_ends_a_run_after_its_step_and_says_how_to_go_on(
    pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unbroken = trained(tiny_recipe(), pool, tmp_path / "unbroken")
    (tmp_path / "broken").mkdir()
    interrupting = replace(pool, mel=Interrupting(pool.mel, 2))
    assert command(lambda: train(tiny_recipe(), interrupting, tmp_path / "broken", Manner())) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"stopped after step 2; go on with {resuming_command(tmp_path / 'broken', 'cpu')}"
    assert checkpoint.load(tmp_path / "broken" / "checkpoint.pt").step == 2
    whole = trained(tiny_recipe(), pool, tmp_path / "broken", Manner(resume=True))
    assert all(torch.equal(whole.weights[name], weight) for name, weight in unbroken.weights.items())


def test_a_run_is_not_taken_up_with_a_pool_that_it_cannot_have_had(pool: Pool, tmp_path: Path) -> None:
    trained(tiny_recipe(), pool, tmp_path, Manner(until=2))
    for other, said in ((replace(pool, filters=2 * pool.filters), "filters"), (random_pool(24, 3), "labels")):
        with pytest.raises(DataError, match=said):
            train(tiny_recipe(), other, tmp_path, Manner(resume=True))


def test_a_run_is_not_taken_up_as_another_and_all_that_differs_is_named(
    pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tiny_recipe(), pool, tmp_path, Manner(until=2))
    capsys.readouterr()
    words = ["--steps", "12000", "--leave-out-fold", "2", "--clips", "500", "--data", "sounds", "--set", "dropout=0"]
    assert main(["--out", str(tmp_path), "--resume", "--threads", "1", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    for said in ("steps=12000 (not 4)", "leave_out_fold=2 (not None)", "dropout=0.0 (not 0.2)", "data=sounds (not"):
        assert said in line
    assert "clips" not in line  # as it was begun


def test_a_run_on_ones_own_sounds_is_taken_up_with_no_flag_but_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_folders(tmp_path / "sounds")
    monkeypatch.chdir(tmp_path)  # the pool goes to runs/cache
    settings = (
        "batch=4", "shape.pretrained=0", "shape.widths=8,8,8,8", "shape.hidden=16", "mixing.rooms=2", "mixing.noises=2",
    )  # fmt: skip
    words = ["--data", "sounds", "--labels", "low", "high", "--clips", "500", "--steps", "3", "--until", "1"]
    always = ["--out", "out", "--threads", "1", "--device", "cpu"]
    assert main([*always, *words, *(word for setting in settings for word in ("--set", setting))]) == 0
    assert main([*always, "--resume"]) == 0
    whole = checkpoint.load(tmp_path / "out" / "checkpoint.pt")
    assert (whole.step, whole.recipe.labels, whole.data) == (3, ("low", "high"), (Path("sounds"),))
    assert embedding.main(["--checkpoint", "out/checkpoint.pt"]) == 0  # finds them too


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["--out", str(tmp_path / "file"), "--threads", "1"]) == 1
    assert (
        capsys.readouterr().err == f"--out {tmp_path}/file: no folder can be made there (File exists). Name another.\n"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_cuda_where_there_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--threads", "1", "--device", "cuda"]) == 1
    assert capsys.readouterr().err.startswith("--device cuda: torch finds no such device here.")


def test_a_fold_that_no_recording_is_of_cannot_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds = listed(tmp_path / "sounds", (("low", "one", 1), ("high", "one", 2), ("mid", "one", 9)))
    words = ["--data", str(sounds), "--labels", "low", "high", "--leave-out-fold", "9"]
    assert main(["--out", str(tmp_path), "--threads", "1", *words]) == 1
    assert "no recording is of fold 9, to be left out: there are folds 1, 2." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--leave-out-dataset", "One"], "--leave-out-dataset One: no such data set; there are one, synthesised."),
        (["--set", "shape.pretrained=0", "--set", "shape.sub_bands=3"], "no network can be made of"),
        (["--set", "shape.sub_bands=2", "--set", "front_end=mfcc"], "shape.sub_bands, front_end: YAMNet's layers"),
        (["--set", "shape.pretrained=0", "--set", "shape.frozen=3"], "shape.frozen: stages of our own"),
        (["--set", "shape.frozen=13"], "--set shape.frozen=13: frozen 13: of 12 layers"),
        (["--set", "mixing.spec.mels=40"], "no network can be made of"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_mixed(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = listed(tmp_path / "sounds", (("low", "one", 1), ("high", "one", 2)))
    flags = ["--data", str(sounds), "--labels", "low", "high", "--out", str(tmp_path / "run"), "--threads", "1"]
    assert main([*flags, *words]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_what_is_trained_on_is_told_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sounds = label_folders(tmp_path / "sounds")
    (sounds / "low" / "notes.txt").touch()
    with caplog.at_level(logging.INFO):
        recordings = told([sounds], ["low"])
    assert [recording.labels for recording in recordings] == [("low",)] * 2
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("recordings: low 2; left aside")
    assert "1 file passed over (.txt 1)" in second


def test_folds_that_a_small_pool_has_no_clip_of_are_told(
    pool: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recordings = [Recording(tmp_path / "a.wav", ("low",), fold, "one", "a") for fold in (1, 3, 4, 5)]
    check_heard(recordings, pool)
    assert "nothing of fold 4, 5 is heard: give more --clips" in caplog.text


@pytest.mark.parametrize("words", [["--leave-out-fold", "0"], ["--steps", "-1"]])
def test_a_flag_that_cannot_be_is_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), "--threads", "1", *words]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_batch_that_the_processes_cannot_share_evenly_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun says it
    assert main(["--out", str(tmp_path), "--threads", "1", "--set", "batch=5"]) == 1
    assert "2 processes cannot share batches of 5" in capsys.readouterr().err


def test_another_seed_is_another_network(pool: Pool, tmp_path: Path) -> None:
    one, other = (trained(tiny_recipe(seed=seed), pool, tmp_path / str(seed)) for seed in (1, 2))
    assert not torch.equal(one.weights["describe.weight"], other.weights["describe.weight"])


def test_a_network_learns_to_tell_a_high_tone_from_a_low_one(tmp_path: Path) -> None:
    sounds, recipe = label_folders(tmp_path / "sounds"), tiny_recipe(steps=90, batch=32)
    pool = open_pool(recipe.mixing, [sounds], cache=tmp_path / "cache", peer=None)
    learned = trained(replace(recipe, ema_decay=0.8), pool, tmp_path / "run")
    alone = np.flatnonzero(pool.targets.sum(axis=1) == 1)[:100]
    scores = learned.classifier()(pool.mel[alone].astype(np.float32))
    assert (scores.argmax(axis=1) == pool.targets[alone].argmax(axis=1)).mean() > 0.9


def test_a_run_whose_loss_is_no_number_any_more_ends_and_saves_nothing(tmp_path: Path) -> None:
    pool = random_pool()
    pool.mel[:] = np.inf
    with pytest.raises(DataError, match=r"step 0: the loss of .*clips.* is no number any more.*peak_rate"):
        train(tiny_recipe(), pool, tmp_path, Manner())
    assert not (tmp_path / "checkpoint.pt").exists()


def test_it_trains_without_a_teacher(tmp_path: Path) -> None:
    assert trained(tiny_recipe(), random_pool(teacher=False), tmp_path).step == 4


def test_it_trains_with_single_sounds_and_with_every_other_loss_off(pool: Pool, tmp_path: Path) -> None:
    recipe = tiny_recipe(mixtures=False, frame_loss=0.0, teacher_loss=0.0, contrast_loss=0.0)
    assert trained(recipe, pool, tmp_path).step == 4


def test_a_checkpoint_alone_rebuilds_the_net_and_its_front_end(pool: Pool, tmp_path: Path) -> None:
    written = trained(tiny_recipe(), pool, tmp_path)
    again = checkpoint.load(tmp_path / "checkpoint.pt")
    mel = torch.randn(2, 64, 297)
    with torch.inference_mode():
        assert all(torch.equal(a, b) for a, b in zip(written.net()(mel), again.net()(mel), strict=True))
    assert again.recipe == tiny_recipe()
    assert again.log_mel().columns(np.zeros(48_000, np.float32)).shape == (64, 297)


def test_what_it_says_of_clips_and_frames_are_probabilities(pool: Pool, tmp_path: Path) -> None:
    scores, frames, embedding = trained(tiny_recipe(), pool, tmp_path).answerer()(pool.mel[:3].astype(np.float32))
    assert (scores.shape, frames.shape, embedding.shape) == ((3, 2), (3, 2, 38), (3, 8))
    assert ((scores > 0) & (scores < 1)).all()
    assert ((frames > 0) & (frames < 1)).all()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ListenerError, match="no checkpoint"):
        checkpoint.load(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(torch.zeros(3), "but a Tensor", id="a tensor"),
        pytest.param({"format": checkpoint.FORMAT}, "without averaged, filters", id="nothing but its format"),
        pytest.param(dict.fromkeys(checkpoint.REQUIRED, 1) | {"format": checkpoint.FORMAT}, "a part", id="numbers"),
    ],
)
def test_what_is_written_as_a_checkpoint_is_and_is_none_is_refused(content: object, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ListenerError, match=rf"checkpoint\.pt: .*{said}"):
        checkpoint.load(tmp_path / "checkpoint.pt")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(ListenerError, match="no checkpoint"):
        checkpoint.load(tmp_path / "checkpoint.pt")


def test_a_checkpoint_keeps_where_its_recordings_were(pool: Pool, tmp_path: Path) -> None:
    data = (Path("sounds"), Path("/more/sounds"))
    assert checkpoint.load(train(tiny_recipe(steps=1), pool, tmp_path, Manner(), data)).data == data


def test_a_checkpoint_that_does_not_say_where_was_trained_on_ours(pool: Pool, tmp_path: Path) -> None:
    content = torch.load(train(tiny_recipe(steps=1), pool, tmp_path, Manner()), weights_only=True)
    del content["data"]
    torch.save(content, tmp_path / "old.pt")
    assert checkpoint.load(tmp_path / "old.pt").data == (DATA,)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 1}, tmp_path / "checkpoint.pt")
    with pytest.raises(ListenerError, match="another version"):
        checkpoint.load(tmp_path / "checkpoint.pt")


def test_a_recipe_survives_the_checkpoint_and_strange_keys_do_not() -> None:
    recipe = Recipe(leave_out_fold=3, leave_out_labels=("siren",), leave_out_datasets=("music",))
    plain = to_plain(recipe)
    assert from_plain(plain) == recipe
    for stranger in ({**plain, "colour": 1}, {**plain, "mixing": {**plain["mixing"], "colour": 1}}):
        with pytest.raises(ValueError, match="colour"):
            from_plain(stranger)


def test_a_recipe_from_before_yamnet_is_what_it_was() -> None:
    plain = to_plain(Recipe())
    del plain["shape"]["pretrained"], plain["mixing"]["spec"]["mel_scale"]
    assert (from_plain(plain).shape.pretrained, from_plain(plain).spec.mel_scale) == (0, "slaney")


def test_labels_left_out_narrow_what_is_answered_and_keep_their_clips_away() -> None:
    pool = random_pool(24, 3)
    recipe = tiny_recipe(mixing=THREE_LABELS, leave_out_labels=("high",), batch=24, pairs=0.0, masks=0.0)
    batch = Batches(recipe, pool, "cpu")(0)
    assert recipe.labels == ("low", "mid")
    assert batch.targets.shape == batch.known.shape == (24, 2)
    assert batch.frames.shape == (24, 2, 38)
    assert batch.targets.any(dim=1).all()  # each clip has one label, and none the label left out
    assert make_net(recipe).answer[1].out_channels == 2 * 2


def test_a_label_that_the_pool_has_not_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="whistle"):
        tiny_recipe(leave_out_labels=("whistle",))


def test_a_batch_is_the_same_for_the_same_step_whatever_went_before(pool: Pool) -> None:
    one, other = Batches(tiny_recipe(), pool, "cpu"), Batches(tiny_recipe(), pool, "cpu")
    one(0)
    assert torch.equal(one(5).mel, other(5).mel)
    assert not torch.equal(one(5).mel, one(6).mel)


def test_what_a_batch_says_of_its_clips_is_what_the_pool_says(pool: Pool) -> None:
    recipe = tiny_recipe(pairs=0.0, masks=0.0, mix_style=0.0, gain_db=0.0, batch=8)
    batch = Batches(recipe, pool, "cpu")(0)
    frames = np.unpackbits(pool.frames, axis=2, count=38).astype(bool)
    for mel, targets, known, of_frames in zip(batch.mel, batch.targets, batch.known, batch.frames, strict=True):
        (number,) = [n for n, clip in enumerate(pool.mel) if np.array_equal(clip, mel.numpy())]
        assert np.array_equal(pool.targets[number], targets)
        assert np.array_equal(pool.known[number], known)
        assert np.array_equal(frames[number], of_frames)


def test_leaving_everything_out_is_refused(pool: Pool) -> None:
    with pytest.raises(DataError, match="leave out less"):
        Batches(tiny_recipe(leave_out_datasets=("one", "two"), leave_out_labels=("low", "high")), pool, "cpu")


def test_a_small_pool_of_the_fold_that_is_left_out_is_no_matter_of_leaving_out_less(pool: Pool) -> None:
    few = replace(pool, fold=np.ones_like(pool.fold))
    with pytest.raises(DataError, match="the pool has clips of fold 1 only, left out here: give more --clips"):
        Batches(tiny_recipe(leave_out_fold=1), few, "cpu")


def test_the_learning_rate_rises_shortly_and_falls_to_next_to_nothing() -> None:
    recipe = Recipe(steps=1000)
    rates = [learning_rate(recipe, step) for step in range(1000)]
    assert int(np.argmax(rates)) == pytest.approx(60, abs=2)
    assert max(rates) <= recipe.peak_rate
    assert rates[-1] < 0.01 * recipe.peak_rate


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param([], id="as it is"),
        pytest.param(["teacher_loss=0.2"], id="teacher"),
    ],
)
def test_two_processes_train_one_network_together(tmp_path: Path, settings: list[str]) -> None:
    sounds = label_folders(tmp_path / "sounds")
    settings = [
        *settings, "batch=4", "shape.pretrained=0", "shape.widths=8,8,8,8", "shape.hidden=16",
        "mixing.rooms=2", "mixing.responses=2", "mixing.noises=2",
    ]  # fmt: skip
    mixing, cache = Mixing(labels=("low", "high"), clips=500), tmp_path / "runs/cache"
    mixing = with_settings(Recipe(mixing=mixing), settings).mixing
    open_pool(mixing, [sounds], cache=cache, peer=None)
    unheard, heard = (pool_folder(mixing, read_any(sounds), taught=taught, cache=cache) for taught in (False, True))
    shutil.copytree(unheard, heard)
    rng = np.random.default_rng(0)
    np.save(heard / "teacher.npy", rng.integers(-99, 99, (500, 5, CLASSES)).astype(np.int8))
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "-m", "models.train", "--data", str(sounds), "--out", "out", "--labels", "low", "high", "--clips", "500",
            "--steps", "3", "--threads", "1", "--device", "cpu", *(w for s in settings for w in ("--set", s)),
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert checkpoint.load(tmp_path / "out" / "checkpoint.pt").step == 3
    assert len(list(tmp_path.glob("out/events.*"))) == 1
