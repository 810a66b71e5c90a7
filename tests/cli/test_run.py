"""`listener run`: where sound comes from, and how it ends."""

import array
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import soundfile

from listener.pipeline.bundle import DEFAULT, find
from tests.cli.conftest import Listener, Started, needs_silence
from tests.tmux import Window
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_stdin_is_heard_to_its_end(beeps: Path, listener: Listener) -> None:
    samples, rate = soundfile.read(beeps, dtype="int16")
    flags = ("--source", "stdin", "--format", "s16le", "--rate", rate, "--set", "gate.kind=bands")
    done = listener("run", "--json", *flags, stdin=samples.tobytes())
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["phase"] for line in done.stdout.splitlines()][-1] == "end"


def test_stdin_may_be_a_wav(beeps: Path, listener: Listener) -> None:
    done = listener("run", "--json", "--source", "stdin", stdin=beeps.read_bytes())
    assert {json.loads(line)["label"] for line in done.stdout.splitlines()} == {"smoke_alarm"}


def test_stdin_that_is_not_what_was_declared_is_a_clear_error(listener: Listener) -> None:
    done = listener("run", "--json", "--source", "stdin", "--format", "wav", stdin=b"no RIFF here" * 1000)
    assert done.returncode != 0
    assert "wav" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_a_missing_token_is_an_error_of_the_configuration(tmp_path: Path, beeps: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text('[[sink]]\nkind = "webhook"\nurl = "http://localhost/"\ntoken_file = "/nowhere"\n')
    done = listener("run", "--config", tmp_path / "c.toml", "--path", beeps)
    assert done.returncode == 2
    assert "/nowhere" in done.stderr


def test_an_unknown_label_is_only_a_warning(tmp_path: Path, beeps: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text("[labels.dog_brk]\non = 0.5\n")
    done = listener("run", "--json", "--config", tmp_path / "c.toml", "--path", beeps)
    assert done.returncode == 0, done.stderr
    assert "'dog_brk'" in done.stderr


@needs_silence
def test_without_a_microphone_run_is_an_error_with_status_2(listener: Listener) -> None:
    done = listener("run")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@needs_silence
def test_with_wait_it_waits_and_says_so(started: Started) -> None:
    process = started("run", "--wait", "--plain")
    assert process.stderr
    assert any(b"waiting" in line for line in iter(process.stderr.readline, b""))
    process.send_signal(signal.SIGTERM)
    assert process.wait(2) == -signal.SIGTERM


@needs_silence
def test_with_or_demo_it_says_so_and_plays_the_demo(started: Started) -> None:
    process = started("run", "--or-demo", "--json")
    assert process.stderr
    assert any(b"demo recording" in line for line in iter(process.stderr.readline, b""))
    assert process.stdout
    assert json.loads(process.stdout.readline())["phase"] == "start"


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # SIGHUP: see test_reload
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.25, 0.4, 0.6, 1.2])
def test_a_signal_ends_it_within_two_seconds_whenever_it_comes(
    number: signal.Signals,
    after_s: float,
    environment: dict[str, str],
    started: Started,
) -> None:
    process = started("run", "--wait", "--plain")
    eventually(lambda: catches(process.pid, signal.SIGTERM))  # before that Python is starting, and answers as it likes
    time.sleep(after_s)  # the moment is what is tested
    process.send_signal(number)
    _, complaint = process.communicate(timeout=3)
    assert process.returncode == -number
    assert b"Traceback" not in complaint
    assert not (Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock").exists()


def test_a_second_daemon_is_refused_with_the_pid_of_the_first(
    environment: dict[str, str], started: Started, listener: Listener
) -> None:
    first = started("run", "--wait", "--plain")
    eventually((Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock").exists)
    second = listener("run", "--wait", "--plain")
    assert second.returncode != 0
    assert str(first.pid) in second.stderr


def test_the_socket_of_a_killed_daemon_is_taken_over(environment: dict[str, str], started: Started) -> None:
    socket = Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock"
    first = started("run", "--wait", "--plain")
    eventually((socket).exists)
    first.kill()
    first.wait()
    second = started("run", "--wait", "--plain")
    assert second.stderr
    assert any(b"unix:" in line for line in iter(second.stderr.readline, b""))


def test_a_reader_that_has_had_enough_ends_it_quietly(beeps: Path, environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m listener run --json --path {beeps} --set clips.hop_s=0.25 | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=environment, capture_output=True, check=False)
    assert json.loads(done.stdout)["phase"] == "start"
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0


def test_a_reader_that_stops_reading_does_not_keep_it_from_ending(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "long.toml").write_text('[[source]]\nkind = "file"\npath = "demo.ogg"\nloop = true\n')
    (tmp_path / "demo.ogg").write_bytes((find(DEFAULT).parent / "demo.ogg").read_bytes())
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-m", "listener", "run", "--json", "--config", "long.toml"]
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=environment, cwd=tmp_path)
    os.close(writing)
    deadline = time.monotonic() + 20
    seen, since = 0, time.monotonic()
    while seen < 3000 or time.monotonic() - since < 1.5:  # nothing more goes in: it is writing, and cannot
        assert time.monotonic() < deadline
        time.sleep(0.05)
        if pending(reading) != seen:
            seen, since = pending(reading), time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(3) == -signal.SIGTERM
    _, complaint = process.communicate()
    assert b"console" in complaint
    os.close(reading)


def pending(descriptor: int) -> int:
    """Bytes that wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def test_with_stderr_closed_it_runs_all_the_same(beeps: Path, environment: dict[str, str]) -> None:
    command = f"exec {sys.executable} -m listener run --json --path {beeps} 2>&-"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[0])["phase"] == "start"


@needs_silence
def test_on_a_terminal_run_shows_the_display_and_gives_the_terminal_back(environment: dict[str, str]) -> None:
    ours, its = pty.openpty()
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    command = [sys.executable, "-m", "listener", "run", "--or-demo"]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    seen = read_until(ours, b"demo recording")
    process.send_signal(signal.SIGTERM)
    seen += read_until(ours, b"\x1b[?1049l")
    assert process.wait(3) == -signal.SIGTERM
    os.close(ours)
    assert b"gate " in seen
    assert b"\x1b[?25h" in seen  # the cursor is back


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """What comes up to and with these bytes."""
    seen, deadline = b"", time.monotonic() + 10
    while wanted not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([descriptor], [], [], 0.5)[0]:
            seen += os.read(descriptor, 65_536)
    return seen


def test_tail_without_a_daemon_says_how_to_start_one(listener: Listener) -> None:
    done = listener("tail")
    assert done.returncode == 1
    assert "listener run" in done.stderr


@needs_silence
def test_tail_prints_what_the_daemon_hears(environment: dict[str, str], started: Started) -> None:
    started("run", "--or-demo", "--plain")
    eventually((Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock").exists)
    tail = started("tail", "--json", "--replay", "5")
    assert tail.stdout
    assert json.loads(tail.stdout.readline())["type"] == "event"


@needs_silence
def test_after_the_demo_the_terminal_keeps_a_summary_and_next_steps(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The demo is quit as soon as it has shown an event."""
    with Window(tmp_path, 100, 30) as window:
        window.start([sys.executable, "-m", "listener", "run", "--or-demo"], **environment)
        window.shows("doorbell", "peak ")
        window.press("q")
        window.shows("status 0")
        text = window.text()
    assert "doorbell" in text
    assert "listener devices" in text
    assert "listener classify" in text
