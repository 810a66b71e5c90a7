"""`listener doctor` as a person or a script meets it: with nothing at all, a wrong configuration, beside a daemon."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import code
from tests.virtual import VirtualMic
from tests.waiting import eventually

Doctor = Callable[..., tuple[int, dict[str, Any]]]

needs_silence = pytest.mark.skipif(Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Folders of our own, and whatever sound server the test has made."""
    folders = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    return {"PULSE_SERVER": "unix:/nowhere", **os.environ} | {name: str(tmp_path) for name in folders}


def command(environment: dict[str, str], *arguments: object) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "listener", "doctor", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=90, check=False)


@pytest.fixture
def doctor(environment: dict[str, str]) -> Doctor:
    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        done = command(environment, "--json", *arguments)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    return run


def said(found: dict[str, Any], check: str) -> list[tuple[str, str]]:
    return [(each["level"], each["text"]) for each in found["findings"] if each["check"] == check]


@needs_silence
def test_with_nothing_at_all_everything_is_looked_at_all_the_same(doctor: Doctor) -> None:
    began = time.monotonic()
    status, found = doctor("--seconds", 1)
    assert status == found["status"] == 1
    assert said(found, "devices") == [("problem", "no input device")]
    assert [level for level, _ in said(found, "hearing microphone")] == ["problem"]
    assert {level for level, _ in said(found, "model")} == {"ok"}
    assert [level for level, _ in said(found, "daemon")] == ["note"]
    assert time.monotonic() - began < 60


@needs_silence
def test_for_a_person_it_is_plain_text_that_wraps_and_ends_with_a_count(environment: dict[str, str]) -> None:
    done = command(environment | {"COLUMNS": "80"}, "--seconds", 1)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "  problem  no input device" in lines
    assert lines[lines.index("  problem  no input device") + 1].startswith("           -> plug a microphone in")
    assert "\x1b" not in done.stdout
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "problems: 2"


def test_a_wrong_configuration_is_a_finding_and_the_rest_is_looked_at(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[gate]\nkindd = 'open'\n")
    status, found = doctor("--seconds", 1, "--config", tmp_path / "c.toml")
    assert status == 2
    ((level, text),) = said(found, "configuration")
    assert (level, "gate.kindd: unknown key" in text) == ("problem", True)
    assert said(found, "model")


def test_a_damaged_bundle_is_a_finding(doctor: Doctor, tiny_folder: Path) -> None:
    (tiny_folder / "model.onnx").write_bytes(b"no model")
    status, found = doctor("--seconds", 1, "--set", f"model.bundle={tiny_folder}")
    assert status == 1
    ((level, text),) = said(found, "model")
    assert (level, "its sha256 is not the one in bundle.json" in text) == ("problem", True)


def test_cuda_that_is_wanted_and_not_there_is_a_finding_with_the_remedy(doctor: Doctor) -> None:
    _, found = doctor("--seconds", 1, "--set", "model.providers=cuda")
    if ("ok", "it runs on cuda") in said(found, "model"):
        pytest.skip("this machine has CUDA")
    assert any(level == "problem" and "CUDA" in text for level, text in said(found, "model"))


def test_a_flag_that_is_wrong_is_status_2(environment: dict[str, str]) -> None:
    done = command(environment, "--seconds", -3)
    assert (done.returncode, code(done.stderr)) == (2, "cli-seconds")


def test_a_reader_that_has_had_enough_ends_it_quietly(environment: dict[str, str]) -> None:
    line = f"{sys.executable} -m listener doctor | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"configuration\n", b"")


def is_played() -> bool:
    """Whether something plays into the virtual microphone."""
    asked = subprocess.run(["pactl", "list", "short", "sink-inputs"], capture_output=True, check=False)
    return bool(asked.stdout.strip())


@pytest.fixture
def room(virtual_mic: VirtualMic, tmp_path: Path, environment: dict[str, str]) -> "Callable[[], None]":
    """Fills the virtual room with quiet noise, which is to be heard when it returns; the test's own end ends it."""
    environment |= {name: os.environ[name] for name in ("PULSE_SERVER", "PULSE_COOKIE", "ALSA_CONFIG_PATH")}
    path = tmp_path / "room.wav"
    noise = 0.003 * np.random.default_rng(0).standard_normal(48_000 * 90)
    soundfile.write(path, noise, 48_000, subtype="PCM_16")

    def play() -> None:
        script = [str(Path(__file__).parents[1] / "virtual_mic.sh"), "play", str(path)]
        subprocess.Popen(
            script, env=os.environ | {"VIRTUAL_MIC_DIR": str(virtual_mic.folder)}, stderr=subprocess.DEVNULL
        )
        eventually(is_played, "it is played")

    return play


def test_a_microphone_in_a_quiet_room_is_well_and_a_muted_one_is_not(room: Callable[[], None], doctor: Doctor) -> None:
    _, muted = doctor("--seconds", 1)
    room()
    status, found = doctor("--seconds", 2)
    assert said(muted, "hearing microphone")[0][1].startswith("dead: digital silence")
    assert status == 0, found
    level, gate = said(found, "hearing microphone")
    assert level[1].startswith("level: -5")
    assert gate[1].startswith("the gate was open ")
    assert any("virtual_mic" in text and "16000" in text for _, text in said(found, "devices"))


def test_beside_a_running_daemon_its_meter_is_read_and_it_notices_nothing(
    room: Callable[[], None], doctor: Doctor, environment: dict[str, str], tmp_path: Path
) -> None:
    room()
    line = [sys.executable, "-m", "listener", "run", "--plain"]
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen(line, stderr=log, stdout=log, env=environment)
    eventually(lambda: b"listening" in (tmp_path / "log").read_bytes(), "the daemon listens")
    status, found = doctor("--seconds", 2)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(10)
    assert status == 0, found
    meter, level, _ = said(found, "hearing microphone")
    assert meter == ("note", f"the meter is that of the running daemon (process {daemon.pid})")
    assert level[1].startswith("level: -5")
    assert said(found, "daemon")[1][1].startswith("microphone is listening")
    assert any(
        f"held by a running listener (process {daemon.pid})" in text for _, text in said(found, "sink 2 (socket)")
    )
    assert "lost" not in (tmp_path / "log").read_text()
