"""Libraries, permissions and devices, on machines as they come."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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


def of_level(found: list[Finding], level: Severity) -> list[str]:
    return [finding.text for finding in found if finding.level is level]


def test_a_sound_server_that_answers_is_well(server: Path, tmp_path: Path) -> None:
    found = list(audio.permissions(tmp_path / "none"))
    assert of_level(found, Severity.OK) == [f"a sound server answers at {server}"]
    assert not of_level(found, Severity.PROBLEM)


def test_one_that_does_not_is_said_with_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'gone'}")
    found = list(audio.permissions(tmp_path / "none"))
    assert f"no sound server answers at {tmp_path / 'gone'} (No such file or directory)" in of_level(
        found, Severity.NOTE
    )


def test_without_any_folder_for_one_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    assert "no XDG_RUNTIME_DIR" in of_level(list(audio.permissions(tmp_path / "none")), Severity.NOTE)[0]


def test_a_card_that_may_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", "tcp:elsewhere")
    (said,) = of_level(list(audio.permissions(cards(tmp_path / "snd"))), Severity.OK)
    assert said.endswith("may be opened: pcmC0D0c")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, to whom a card is closed")
def test_a_card_that_is_closed_to_us_wants_the_audio_group() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        snd = cards(Path(folder) / "snd")
        snd.chmod(0o755)
        code = (
            "import os; from pathlib import Path; from listener.doctor.audio import permissions\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            f"for found in permissions(Path({str(snd)!r})): print(found.level, found.text, found.remedy)\n"
        )
        environment = os.environ | {"PULSE_SERVER": "unix:/nowhere"}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
    assert "problem no permission for pcmC0D0c" in done.stdout, done.stderr
    assert "usermod -aG audio" in done.stdout


def test_the_library_that_the_configuration_wants_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "PACKAGES", {"sounddevice": "no-such-package", "pyaudio": "no-such-package-either"})
    wanted, not_wanted = audio.libraries(configuration.load(None))
    assert (wanted.level, wanted.remedy) == (Severity.PROBLEM, "run: pip install sounddevice")
    assert not_wanted.level is Severity.NOTE


@pytest.mark.skipif(Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card")
def test_no_device_is_a_problem_only_where_a_microphone_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", "unix:/nowhere")
    wanted = configuration.load(None)
    source = configuration.part("source", {"kind": "command", "command": ["arecord"]})
    assert [found.level for found in audio.inputs(wanted)] == [Severity.PROBLEM]
    assert [found.level for found in audio.inputs(replace(wanted, sources=(source,)))] == [Severity.NOTE]
