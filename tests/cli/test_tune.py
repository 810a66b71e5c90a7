"""`listener tune` over recordings of rooms, from listening to the written configuration."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.pipeline.bundle import DEFAULT, find
from tests.cli.conftest import code
from tests.fakes import noise, pcm

pytestmark = [pytest.mark.system, pytest.mark.slow]

RATE = 16_000
Tune = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folders = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    return {**os.environ, "PULSE_SERVER": "unix:/nowhere"} | {name: str(tmp_path) for name in folders}


@pytest.fixture
def tune(environment: dict[str, str]) -> Tune:
    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "listener", "tune", *map(str, arguments)]
        return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=90, check=False)

    return run


@pytest.fixture
def restless(tmp_path: Path) -> Path:
    """A minute of a room in which something of no name swells every second: the usual gate hardly closes."""
    seconds = np.arange(60 * RATE) / RATE
    swell = np.where(seconds % 1.0 < 0.3, 10 ** (12 / 20), 1.0).astype(np.float32)
    path = tmp_path / "restless.wav"
    soundfile.write(path, pcm(noise(60, -60) * swell), RATE)
    return path


@pytest.fixture
def demo() -> Path:
    return find(DEFAULT).parent / "demo.ogg"


def test_a_quiet_room_needs_nothing(tune: Tune, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", pcm(noise(60, -55)), RATE)
    done = tune("--source", "file", "--path", tmp_path / "quiet.wav", "--write")
    assert done.returncode == 0, done.stderr
    assert "proposed:" not in done.stdout
    assert not (tmp_path / "listener").exists()


def test_it_shows_level_floor_gate_and_labels_while_it_listens(tune: Tune, demo: Path) -> None:
    lines = tune("--path", demo).stdout.splitlines()
    (seconds,) = [line for line in lines if line.startswith("  70 s")]
    assert "dBFS, floor -" in seconds
    assert "gate open " in seconds
    assert re.search(r"  smoke_alarm [01]\.\d\d  ", seconds)


def test_an_alarm_in_the_room_is_said_and_its_threshold_left_alone(tune: Tune, demo: Path) -> None:
    done = tune("--path", demo)
    assert "reported: smoke_alarm" in done.stdout
    assert "labels.smoke_alarm" not in done.stdout


def test_a_restless_room_gets_a_calmer_gate_which_is_written_and_then_enough(
    tune: Tune, restless: Path, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    before = "# mine\n[gate]\nhang_over_s = 1.0  # as it was\n"
    config.write_text(before)
    first = tune("--path", restless, "--config", config, "--write")
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "c.toml.bak").read_text() == before
    written = config.read_text()
    assert written.startswith("# mine\n[gate]\nhang_over_s = 1.0  # as it was\n")
    assert tomllib.loads(written)["gate"].keys() > {"hang_over_s"}
    second = tune("--path", restless, "--config", config)
    assert "proposed:" not in second.stdout, second.stdout


def test_without_write_nothing_is_written(tune: Tune, restless: Path, tmp_path: Path) -> None:
    done = tune("--path", restless)
    assert f"{tmp_path}/listener/config.toml" in done.stdout
    assert not (tmp_path / "listener").exists()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("--minutes 0", "cli-minutes"),
        ("--keep dog_brk", "label-unknown"),
        ("--write --set gate.rise_db=6", "tune-options"),
        ("--name kitchen", "source-unknown"),
    ],
)
def test_a_wrong_option_is_an_error_with_status_2(flags: str, wanted: str, tune: Tune) -> None:
    done = tune(*flags.split())
    assert (done.returncode, code(done.stderr)) == (2, wanted)


@pytest.mark.skipif(Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card")
def test_without_a_microphone_it_says_what_to_do(tune: Tune) -> None:
    done = tune()
    assert done.returncode == 1
    assert "--path" in done.stderr


def test_a_recording_that_cannot_be_read_is_not_said_to_be_a_microphone(tune: Tune, tmp_path: Path) -> None:
    done = tune("--path", tmp_path / "nope.wav")
    assert done.returncode == 1
    assert "nope.wav" in done.stderr
    assert "microphone" not in done.stderr


def test_of_several_sources_one_is_named(tune: Tune, tmp_path: Path, restless: Path) -> None:
    source = '[[source]]\nkind = "file"\nname = "{}"\npath = "{}"\n'
    (tmp_path / "c.toml").write_text(source.format("hall", restless) + source.format("kitchen", restless))
    refused = tune("--config", tmp_path / "c.toml")
    assert (refused.returncode, code(refused.stderr), "hall, kitchen" in refused.stderr) == (2, "tune-source", True)
    assert "kitchen" in tune("--config", tmp_path / "c.toml", "--name", "kitchen").stdout


def test_a_signal_ends_the_listening_and_what_was_heard_is_told_but_not_written(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = '["sh", "-c", "head -c 3200000 /dev/urandom; sleep 60"]'
    (tmp_path / "c.toml").write_text(f'[[source]]\nkind = "command"\ncommand = {command}\nlive = false\n')
    line = [sys.executable, "-u", "-m", "listener", "tune", "--config", str(tmp_path / "c.toml"), "--write"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout
    assert any(b"90 of 180 s" in seconds for seconds in iter(process.stdout.readline, b""))
    process.send_signal(signal.SIGINT)
    rest, complaint = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert complaint == b""
    assert b"1 min" in rest
    assert not (tmp_path / "c.toml.bak").exists()


def test_a_signal_before_any_audio_is_no_failure_of_the_microphone(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[source]]\nkind = "command"\ncommand = ["sleep", "60"]\n')
    line = [sys.executable, "-u", "-m", "listener", "tune", "--config", str(tmp_path / "c.toml")]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout
    assert b"listening to" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, complaint = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert complaint == b""
    assert rest.strip()
