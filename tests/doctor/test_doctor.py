"""`listener doctor` as a person or a script meets it: with nothing at all, a wrong configuration, beside a daemon."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

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


def levels(found: dict[str, Any], check: str) -> dict[str, str]:
    """Code to level of the findings of a check."""
    return {each["code"]: each["level"] for each in found["findings"] if each["check"] == check}


def texts(found: dict[str, Any], check: str) -> dict[str, str]:
    """Code to text of the findings of a check."""
    return {each["code"]: each["text"] for each in found["findings"] if each["check"] == check}


@needs_silence
def test_with_nothing_installed_every_check_runs_all_the_same(doctor: Doctor) -> None:
    status, found = doctor("--seconds", 1)
    assert status == found["status"] == 1
    assert levels(found, "devices") == {"device-none": "problem"}
    assert set(levels(found, "source microphone").values()) == {"problem"}
    assert set(levels(found, "model").values()) == {"ok"}
    assert list(levels(found, "daemon").values()) == ["note"]


@needs_silence
def test_for_a_person_it_is_plain_text_that_wraps_and_ends_with_a_count(environment: dict[str, str]) -> None:
    done = command(environment | {"COLUMNS": "80"}, "--seconds", 1)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    problem = next(number for number, line in enumerate(lines) if line.startswith("  problem  "))
    assert lines[problem + 1].startswith("           -> ")
    assert "\x1b" not in done.stdout
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "problems: 2"


def test_a_wrong_configuration_is_a_finding_and_the_rest_is_checked(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[gate]\nkindd = 'open'\n")
    status, found = doctor("--seconds", 1, "--config", tmp_path / "c.toml")
    assert status == 2
    assert list(levels(found, "configuration").values()) == ["problem"]
    assert "gate.kindd" in "".join(texts(found, "configuration").values())
    assert levels(found, "model")


def test_a_damaged_bundle_is_a_problem(doctor: Doctor, tiny_folder: Path) -> None:
    (tiny_folder / "model.onnx").write_bytes(b"no model")
    status, found = doctor("--seconds", 1, "--set", f"model.bundle={tiny_folder}")
    assert status == 1
    assert list(levels(found, "model").values()) == ["problem"]


def test_cuda_that_is_configured_and_not_there_is_a_problem(doctor: Doctor) -> None:
    _, found = doctor("--seconds", 1, "--set", "model.providers=cuda")
    if "model-on-cuda" in levels(found, "model"):
        pytest.skip("this machine has CUDA")
    assert "problem" in levels(found, "model").values()


def test_a_wrong_flag_is_status_2(environment: dict[str, str]) -> None:
    done = command(environment, "--seconds", -3)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--seconds -3" in done.stderr


def test_a_reader_that_closes_the_pipe_ends_it_quietly(environment: dict[str, str]) -> None:
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


def test_a_quiet_room_is_good_and_a_muted_microphone_is_not(room: Callable[[], None], doctor: Doctor) -> None:
    _, muted = doctor("--seconds", 1)
    room()
    status, found = doctor("--seconds", 2)
    assert levels(muted, "source microphone") == {"level-dead": "problem"}
    assert status == 0, found
    assert levels(found, "source microphone").keys() == {"level-good", "gate-good"}
    assert " -5" in texts(found, "source microphone")["level-good"]
    listed = [each["text"] for each in found["findings"] if each["check"] == "devices"]
    assert any("virtual_mic" in text and "16000" in text for text in listed)


def test_beside_a_running_daemon_its_levels_are_used_and_it_is_not_disturbed(
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
    source = texts(found, "source microphone")
    assert f"process {daemon.pid}" in source["source-in-use"]
    assert " -5" in source["level-good"]
    assert "daemon-source-listening" in levels(found, "daemon")
    owned = [each["text"] for each in found["findings"] if each["code"] == "address-ours"]
    assert any(f"process {daemon.pid}" in text for text in owned)
    assert "lost" not in (tmp_path / "log").read_text()
