"""The command line as users and scripts meet it: a process, its output, its exit status."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from listener.pipeline.bundle import DEFAULT, find

Listener = Callable[..., "subprocess.CompletedProcess[str]"]
Started = Callable[..., "subprocess.Popen[bytes]"]
needs_silence = pytest.mark.skipif(Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No configuration of the user's, a runtime folder of our own, and no sound device."""
    (tmp_path / "run").mkdir()
    ours = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_STATE_HOME": str(tmp_path)}
    dropped = ("JOURNAL_STREAM", "ALSA_CONFIG_PATH", "PYTHONUNBUFFERED")  # users do not have the last
    others = {key: value for key, value in os.environ.items() if key not in dropped}
    return others | ours | {"PULSE_SERVER": "unix:/nonexistent", "JACK_NO_START_SERVER": "1"}


@pytest.fixture
def listener(environment: dict[str, str]) -> Listener:
    """Run a command to its end."""

    def run(
        *arguments: object, stdin: bytes | None = None, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "listener", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=environment,
            cwd=cwd,
            timeout=90,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def started(environment: dict[str, str]) -> Iterator[Started]:
    """Start a command that is killed at the end of the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-u", "-m", "listener", *map(str, arguments)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def beeps(tmp_path: Path) -> Path:
    """A recording of a smoke alarm."""
    demo, rate = soundfile.read(find(DEFAULT).parent / "demo.ogg")
    soundfile.write(tmp_path / "alarm.wav", demo[53 * rate : 70 * rate], rate)
    return tmp_path / "alarm.wav"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may read; pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def code(stderr: str) -> str:
    """The code of the error that a command printed."""
    (found,) = re.findall(r"^listener: .*\[([a-z0-9-]+)\]$", stderr, re.MULTILINE)
    return str(found)
