"""`listener classify`: what it prints of files, and of those that it cannot read."""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.cli.batch import find_files
from tests.cli.conftest import Listener, Started, code
from tests.conftest import shared_path
from tests.fakes import noise
from tests.tmux import Window
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]


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


@pytest.fixture
def folder(tmp_path: Path, beeps: Path) -> Path:
    """Two recordings of an alarm, one of noise and one that cannot be read, in nested folders."""
    nested = tmp_path / "tapes" / "2026" / "may"
    nested.mkdir(parents=True)
    (tmp_path / "tapes" / "a.WAV").write_bytes(beeps.read_bytes())
    (nested / "=b.wav").write_bytes(beeps.read_bytes())
    soundfile.write(nested / "quiet.flac", noise(4, -60), 16_000)
    (nested / "broken.ogg").write_bytes(b"OggS")
    (nested / "notes.txt").write_text("no audio")
    return tmp_path / "tapes"


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_folder_is_classified_with_all_that_is_in_it(jobs: int, folder: Path, listener: Listener) -> None:
    done = listener("classify", "--json", "--jobs", jobs, folder)
    assert done.returncode == 1
    assert code(done.stderr)
    assert "broken.ogg" in done.stderr
    sources = list(dict.fromkeys(json.loads(line)["source"] for line in done.stdout.splitlines()))
    assert sources == [f"{folder}/a.WAV", f"{folder}/2026/may/=b.wav"]


def test_several_files_end_with_a_summary(folder: Path, listener: Listener) -> None:
    done = listener("classify", folder / "a.WAV", folder / "2026")
    *_, total, label = done.stdout.splitlines()
    assert total.startswith("4 files, ")
    assert label.split()[:2] == ["smoke_alarm", "2"]


def test_csv_has_a_row_per_event_and_no_formula(folder: Path, listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "=cmd").mkdir()
    (tmp_path / "=cmd" / "a.wav").write_bytes((folder / "a.WAV").read_bytes())
    done = listener("classify", "--csv", "=cmd/a.wav", cwd=tmp_path)
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header == ["file", "label", "start_s", "end_s", "peak", "level_dbfs"]
    assert rows[0][:2] == ["'=cmd/a.wav", "smoke_alarm"]


def test_scores_may_be_csv(beeps: Path, listener: Listener) -> None:
    header, row = csv.reader(listener("classify", "--csv", "--scores", beeps).stdout.splitlines())
    scores = {label: float(score) for label, score in zip(header[1:], row[1:], strict=True)}
    assert max(scores, key=scores.__getitem__) == "smoke_alarm"


def test_an_empty_folder_is_an_error(tmp_path: Path, listener: Listener) -> None:
    done = listener("classify", tmp_path)
    assert (done.returncode, code(done.stderr)) == (2, "classify-empty")


def test_a_folder_that_cannot_be_read_is_an_error_after_the_rest(open_folder: Path) -> None:
    (open_folder / "a.wav").touch()
    (open_folder / "closed").mkdir(mode=0)
    user = os.geteuid()
    os.seteuid(65_534 if user == 0 else user)
    try:
        found = list(find_files([str(open_folder)]))
    finally:
        os.seteuid(user)
    assert found[0] == str(open_folder / "a.wav")
    assert [err.code for err in found[1:]] == ["classify-folder"]


def test_the_processes_end_with_a_parent_that_is_killed(folder: Path, started: Started) -> None:
    for number in range(40):
        (folder / f"{number}.wav").write_bytes((folder / "a.WAV").read_bytes())
    process = started("classify", "--jobs", 2, "--json", folder)
    assert process.stdout
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    eventually(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in children))


def test_a_terminal_gets_a_progress_bar(folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    with Window(tmp_path, 100, 30) as window:
        window.start([sys.executable, "-m", "listener", "classify", str(folder), "--jobs", "1"], **environment)
        window.shows("4 files", "status 1")
        assert "smoke_alarm" in window.text()
