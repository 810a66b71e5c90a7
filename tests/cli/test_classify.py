"""`listener classify`: what it prints of files, and of those that it cannot read."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import Listener
from tests.conftest import shared_path
from tests.fakes import noise


def test_classify_prints_whole_events_as_lines(beeps: Path, listener: Listener) -> None:
    done = listener("classify", "--json", beeps)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["label"] for event in events} == {"smoke_alarm"}
    assert events[0]["phase"] is None
    assert events[0]["source"] == str(beeps)
    assert events[0]["start"] is None
    assert events[0]["end_s"] > events[0]["start_s"]


def test_classify_prints_a_table_for_a_person(beeps: Path, listener: Listener) -> None:
    done = listener("classify", beeps)
    assert "smoke_alarm" in done.stdout
    assert "start s" in done.stdout


def test_scores_are_one_line_a_file_with_every_label(beeps: Path, listener: Listener) -> None:
    done = listener("classify", "--scores", beeps, beeps)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["file"] == str(beeps)
    assert max(first["scores"], key=first["scores"].get) == "smoke_alarm"


def awkward(tmp_path: Path) -> dict[str, Path]:
    files = {name: tmp_path / f"{name}.wav" for name in ("8k", "192k", "nan", "stereo24", "empty", "headless", "text")}
    soundfile.write(files["8k"], noise(1, -20)[:8_000], 8_000)
    soundfile.write(files["192k"], np.tile(noise(1, -20), 12), 192_000)
    spoiled = noise(1, -20)
    spoiled[::7] = np.nan
    soundfile.write(files["nan"], spoiled, 16_000, subtype="FLOAT")
    soundfile.write(files["stereo24"], np.stack([noise(1, -20)] * 2, axis=1), 44_100, subtype="PCM_24")
    files["empty"].write_bytes(b"")
    files["headless"].write_bytes((tmp_path / "8k.wav").read_bytes()[:30])
    files["text"].write_text("this is no audio at all\n" * 50)
    files["absent"] = tmp_path / "absent.wav"
    return files


@pytest.mark.parametrize("name", ["8k", "192k", "nan", "stereo24"])
def test_an_awkward_file_is_classified(name: str, tmp_path: Path, listener: Listener) -> None:
    done = listener("classify", "--scores", awkward(tmp_path)[name])
    assert done.returncode == 0, done.stderr
    assert all(0 <= score <= 1 for score in json.loads(done.stdout)["scores"].values())


def test_files_that_are_no_audio_get_one_line_each_after_which_the_others_are_done(
    tmp_path: Path, beeps: Path, listener: Listener
) -> None:
    files = awkward(tmp_path)
    bad = [files[name] for name in ("empty", "headless", "text", "absent")]
    done = listener("classify", "--scores", *bad, beeps)
    assert done.returncode == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(beeps)]
    lines = [line for line in done.stderr.splitlines() if line.startswith("listener: ")]
    assert len(lines) == len(bad)
    assert all(str(path) in line for path, line in zip(bad, lines, strict=True))


def test_a_file_whose_name_is_no_utf_8_is_classified(tmp_path: Path, beeps: Path, listener: Listener) -> None:
    odd = os.fsencode(tmp_path) + b"/h\xf6ren.wav"
    Path(os.fsdecode(odd)).write_bytes(beeps.read_bytes())
    done = listener("classify", "--json", os.fsdecode(odd))
    assert done.returncode == 0, done.stderr
    assert "ren.wav" in json.loads(done.stdout.splitlines()[0])["source"]


def test_a_recording_that_is_cut_short_is_heard_as_far_as_it_goes(
    tmp_path: Path, beeps: Path, listener: Listener
) -> None:
    whole = beeps.read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    done = listener("classify", "--json", tmp_path / "cut.wav")
    assert json.loads(done.stdout.splitlines()[0])["label"] == "smoke_alarm"


def test_run_and_classify_tell_the_same_of_a_recording(beeps: Path, listener: Listener) -> None:
    ended = [json.loads(line) for line in listener("run", "--json", "--path", beeps).stdout.splitlines()]
    whole = [json.loads(line) for line in listener("classify", "--json", beeps).stdout.splitlines()]
    keys = ("label", "start_s", "end_s", "detected_s", "peak")
    assert [[e[k] for k in keys] for e in ended if e["phase"] == "end"] == [[e[k] for k in keys] for e in whole]


def test_a_real_recording_is_named(listener: Listener) -> None:
    done = listener("classify", "--scores", shared_path("rooster", 1))
    scores = json.loads(done.stdout)["scores"]
    assert max(scores, key=scores.get) == "rooster"
