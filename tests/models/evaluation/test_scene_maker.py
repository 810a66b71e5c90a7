"""Scenes are what their settings say, and the same for the same seed."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.recordings import DataError
from models.evaluation import scene_maker
from models.evaluation.scene_maker import LabelledClip, SceneMaker, SceneSettings, listed
from tests.conftest import SHARED

RATE = 16_000
TOOL = SHARED / "tools" / "make_scene.py"


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    """Two labels, of which one is in fold 1 alone; one clip is stereo at another rate."""
    tone = np.sin(np.arange(RATE) * 0.3) * np.hanning(RATE)
    soundfile.write(tmp_path / "beep.wav", tone, RATE)
    soundfile.write(tmp_path / "hum.wav", np.stack([tone, tone], axis=1), 2 * RATE)
    path = tmp_path / "metadata.csv"
    path.write_text("path,dataset,label,fold\nbeep.wav,ours,beep,1\nhum.wav,ours,hum,1\nhum.wav,theirs,hum,2\n")
    return path


@pytest.fixture
def clips(listing: Path) -> list[LabelledClip]:
    return list(listed([listing], folds=["1"]))


@pytest.mark.parametrize(
    ("chosen", "labels"),
    [
        ({}, ["beep", "hum", "hum"]),
        ({"folds": ["2"]}, ["hum"]),
        ({"labels": ["beep"]}, ["beep"]),
        ({"datasets": ["theirs"], "folds": ["1"]}, []),
    ],
)
def test_a_listing_is_filtered(listing: Path, chosen: dict[str, list[str]], labels: list[str]) -> None:
    assert [clip.label for clip in listed([listing], **chosen)] == labels


@pytest.mark.parametrize("text", [None, "file,label\na.wav,beep\n"])
def test_a_listing_that_cannot_be_used_is_an_error(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(DataError):
        list(listed([tmp_path / "metadata.csv"], folds=["1"]))


def test_the_seed_decides_everything(clips: list[LabelledClip]) -> None:
    first, second, other = (SceneMaker(clips, SceneSettings(minutes=1, seed=seed)).make() for seed in (1, 1, 2))
    assert np.array_equal(first[0], second[0])
    assert first[1] == second[1] != other[1]


def test_an_event_is_as_loud_over_the_room_as_its_truth_says(clips: list[LabelledClip]) -> None:
    settings = SceneSettings(minutes=2, snr_db=(30, 30), floor_dbfs=-60, overlap=0.0)
    samples, events = SceneMaker(clips, settings).make()
    assert events
    for event in events:
        span = samples[int(event["onset_s"] * RATE) : int(event["offset_s"] * RATE)]
        assert 20 * np.log10(scene_maker.rms(span)) == pytest.approx(-30, abs=4)  # the echo adds or takes
        assert event["snr_db"] == 30.0
    before = samples[: int(events[0]["onset_s"] * RATE)]
    assert 20 * np.log10(scene_maker.rms(before)) == pytest.approx(-60, abs=2)


def test_events_overlap_only_if_they_may(clips: list[LabelledClip]) -> None:
    _, events = SceneMaker(clips, SceneSettings(minutes=5, per_minute=20, overlap=0.0)).make()
    pauses = [later["onset_s"] - sooner["offset_s"] for sooner, later in pairwise(events)]
    assert min(pauses) >= scene_maker.PAUSE_S - 0.002
    _, events = SceneMaker(clips, SceneSettings(minutes=5, per_minute=30, overlap=1.0)).make()
    assert any(later["onset_s"] < sooner["offset_s"] for sooner, later in pairwise(events))


def test_a_long_clip_is_cut_and_a_scene_never_clips(clips: list[LabelledClip]) -> None:
    settings = SceneSettings(minutes=1, max_event_s=0.3, floor_dbfs=-20, snr_db=(40, 40), per_minute=20)
    samples, events = SceneMaker(clips, settings).make()
    assert max(event["offset_s"] - event["onset_s"] for event in events) <= 0.302
    assert np.abs(samples).max() == pytest.approx(scene_maker.FULL_SCALE)


def test_recordings_can_be_the_room(clips: list[LabelledClip], tmp_path: Path) -> None:
    folder = tmp_path / "rooms"
    folder.mkdir()
    with pytest.raises(DataError):
        SceneMaker(clips, SceneSettings(minutes=0.2, background=folder)).make()
    soundfile.write(folder / "room.wav", 0.01 * np.random.default_rng(0).standard_normal(3 * RATE), RATE)
    samples, events = SceneMaker(clips, SceneSettings(minutes=0.2, background=folder, per_minute=0.001)).make()
    assert not events
    assert 20 * np.log10(scene_maker.rms(samples)) == pytest.approx(-55, abs=0.5)


def test_the_command_writes_a_recording_and_its_truth(listing: Path, tmp_path: Path) -> None:
    out = tmp_path / "scene"
    assert scene_maker.main(["--metadata", str(listing), "--minutes", "0.5", "--out", str(out)]) == 0
    truth = json.loads(out.with_suffix(".json").read_text())
    assert truth["duration_s"] == soundfile.info(out.with_suffix(".wav")).duration == 30
    assert scene_maker.main(["--metadata", str(tmp_path / "none.csv"), "--out", str(out)]) == 1


@pytest.mark.skipif(not TOOL.exists(), reason="the real recordings (../shared/data) are not here")
def test_scenes_are_those_of_the_tool_that_it_replaces(listing: Path, tmp_path: Path) -> None:
    words = ["--metadata", str(listing), "--folds", "1", "--minutes", "1", "--per-minute", "12", "--seed", "3"]
    subprocess.run([sys.executable, TOOL, *words, "--out", tmp_path / "theirs"], check=True, stdout=subprocess.DEVNULL)
    scene_maker.main([*words, "--out", str(tmp_path / "ours")])
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()
    ours, theirs = (soundfile.read(tmp_path / f"{name}.wav", dtype="int16")[0] for name in ("ours", "theirs"))
    assert np.abs(ours.astype(int) - theirs).max() <= 1
