"""Libraries, permissions and devices, on machines as they come."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from listener import config as configuration
from listener.doctor import audio
from listener.doctor.finding import Finding, Severity


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A sound server, as far as a connection goes."""
    path = tmp_path / "native"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        monkeypatch.setenv("PULSE_SERVER", f"unix:{path}")
        yield path


def cards(folder: Path, mode: int = 0o600) -> Path:
    folder.mkdir()
    (folder / "pcmC0D0c").touch(mode)
    (folder / "pcmC0D0p").touch(mode)
    return folder


def codes(found: Iterable[Finding]) -> dict[str, str]:
    """Code to text."""
    return {finding.code: finding.text for finding in found}


def test_a_sound_server_that_answers_is_good(server: Path, tmp_path: Path) -> None:
    found = codes(audio.permissions(tmp_path / "none"))
    assert found.keys() == {"server-good", "card-none"}
    assert str(server) in found["server-good"]


def test_one_that_does_not_is_reported_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'gone'}")
    said = codes(audio.permissions(tmp_path / "none"))["server-silent"]
    assert str(tmp_path / "gone") in said
    assert os.strerror(errno.ENOENT) in said


def test_without_a_place_to_look_for_one_that_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    assert "server-unknown" in codes(audio.permissions(tmp_path / "none"))


def test_a_card_that_can_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", "tcp:elsewhere")
    said = codes(audio.permissions(cards(tmp_path / "snd")))["card-permitted"]
    assert "pcmC0D0c" in said
    assert "pcmC0D0p" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, to whom a card is closed")
def test_a_card_that_is_closed_to_us_is_a_problem_of_the_audio_group() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        snd = cards(Path(folder) / "snd")
        snd.chmod(0o755)
        code = (
            "import os; from pathlib import Path; from listener.doctor.audio import permissions\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            f"for found in permissions(Path({str(snd)!r})): print(found.level, found.code, found.remedy)\n"
        )
        environment = os.environ | {"PULSE_SERVER": "unix:/nowhere"}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
    assert "problem card-denied" in done.stdout, done.stderr
    assert "usermod -aG audio" in done.stdout


def test_a_library_that_the_configuration_needs_must_be_there() -> None:
    packages = {"sounddevice": "no-such-package", "pyaudio": "no-such-package-either"}
    needed, optional = audio.libraries(configuration.load(None), packages)
    assert (needed.code, needed.level) == ("library-missing", Severity.PROBLEM)
    assert "pip install sounddevice" in needed.remedy
    assert (optional.code, optional.level) == ("library-optional", Severity.NOTE)


@pytest.mark.skipif(Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card")
def test_no_device_is_a_problem_only_where_a_microphone_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", "unix:/nowhere")
    wanted = configuration.load(None)
    source = configuration.part("source", {"kind": "command", "command": ["arecord"]})
    assert [found.level for found in audio.inputs(wanted)] == [Severity.PROBLEM]
    assert [found.level for found in audio.inputs(replace(wanted, sources=(source,)))] == [Severity.NOTE]
