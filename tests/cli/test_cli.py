"""The command line as a person or a script meets it: a process, its output, its exit status."""

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
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.pipeline.bundle import DEFAULT, find
from tests.conftest import shared_path
from tests.fakes import noise
from tests.waiting import eventually

Listener = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No configuration of the user's, a runtime folder of our own, and no sound device."""
    (tmp_path / "run").mkdir()
    ours = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_STATE_HOME": str(tmp_path)}
    others = {key: value for key, value in os.environ.items() if key not in ("JOURNAL_STREAM", "ALSA_CONFIG_PATH")}
    others.pop("PYTHONUNBUFFERED", None)  # users do not have it
    return others | ours | {"PULSE_SERVER": "unix:/nonexistent", "JACK_NO_START_SERVER": "1"}


needs_silence = pytest.mark.skipif(Path("/dev/snd/controlC0").exists(), reason="this machine has a sound card")


@pytest.fixture
def listener(environment: dict[str, str]) -> Listener:
    def run(*arguments: object, stdin: bytes | None = None) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "listener", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def started(environment: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "listener", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(path: Path) -> None:
    eventually(path.exists)


def one_line(text: str) -> str:
    (line,) = text.strip().splitlines()
    return line


@pytest.fixture
def beeps(tmp_path: Path) -> Path:
    """A file in which something is to be heard."""
    demo, rate = soundfile.read(find(DEFAULT).parent / "demo.ogg")
    soundfile.write(tmp_path / "alarm.wav", demo[53 * rate : 70 * rate], rate)
    return tmp_path / "alarm.wav"


@pytest.mark.parametrize("command", ["", "run", "classify", "devices", "watch", "tail", "check"])
def test_help_is_there_for_every_command(command: str, listener: Listener) -> None:
    done = listener(*command.split(), "--help")
    assert done.returncode == 0
    assert "usage: listener" in done.stdout


def test_an_unknown_command_is_refused_with_those_that_there_are(listener: Listener) -> None:
    done = listener("lisen")
    assert done.returncode == 2
    assert "classify" in done.stderr


def test_check_says_what_would_run(listener: Listener) -> None:
    done = listener("check")
    assert done.returncode == 0, done.stderr
    assert "labels, on cpu" in done.stdout
    assert "microphone" in done.stdout
    assert "group          alarm: smoke_alarm, co_alarm\n" in done.stdout
    assert "note" not in done.stdout


def test_check_says_who_cannot_find_a_daemon_without_a_socket(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text('[[sink]]\nkind = "console"\n')
    done = listener("check", "--config", tmp_path / "c.toml")
    assert done.returncode == 0, done.stderr
    assert "note           no sink is a socket: tail, watch, status" in done.stdout


def test_a_label_that_the_model_lacks_is_an_error_for_check(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text("[labels.dog_brk]\non = 0.5\n")
    done = listener("check", "--config", tmp_path / "c.toml")
    assert done.returncode == 2
    assert "no label 'dog_brk'; did you mean 'dog_bark'?" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[source]]\nkind = 'file'", "path is empty"),
        ("[[source]]\nkind = 'command'", "command"),
        ("[[sink]]\nkind = 'socket'\ntcp = '0.0.0.0:80'", "set token_file"),
        ("[labels.rain]\non = 0.2", "labels.rain: off"),
    ],
)
def test_check_finds_what_run_would_refuse(text: str, says: str, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(text)
    for command in ("check", "run"):
        done = listener(command, "--config", tmp_path / "c.toml")
        assert done.returncode == 2
        assert says in done.stderr
        assert f"{tmp_path / 'c.toml'}: " in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[model]\nbundle = '~no-such-user/b'",
        "[[source]]\nkind = 'file'\npath = '~no-such-user/s.wav'",
        "[[sink]]\nkind = 'log'\npath = '~no-such-user/l.jsonl'",
        "[[sink]]\nkind = 'socket'\npath = '~no-such-user/l.sock'",
        "[[sink]]\nkind = 'command'\nrun = ['~no-such-user/notify']",
        "[[sink]]\nkind = 'webhook'\nurl = 'https://localhost'\nca_file = '~no-such-user/ca.pem'",
        "[[sink]]\nkind = 'web'\nconfig = '~no-such-user/c.toml'",
    ],
)
def test_the_home_of_nobody_is_an_error_with_a_remedy(text: str, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = listener("check", "--config", tmp_path / "c.toml")
    assert done.returncode == 2
    assert "there is no such user; write the whole path" in one_line(done.stderr)


def test_check_says_everything_that_parts_lack_or_want_twice(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(
        '[[source]]\nkind = "file"\npath = "/nowhere.wav"\n'
        '[[sink]]\nkind = "webhook"\nurl = "http://localhost/"\ntoken_file = "/nowhere/token"\n'
        '[[sink]]\nkind = "history"\nclips = ["dog_brk"]\n'
        '[[sink]]\nkind = "mqtt"\ndiscovery_labels = ["alrm"]\n'
        '[[sink]]\nkind = "command"\nrun = ["/nowhere.sh"]\n'
        f'[[sink]]\nkind = "log"\npath = "{tmp_path}/a.log"\n[[sink]]\nkind = "log"\npath = "{tmp_path}/a.log"\n'
        '[[sink]]\nkind = "prometheus"\n[[sink]]\nkind = "prometheus"\n'
    )
    done = listener("check", "--config", tmp_path / "c.toml")
    said = done.stderr.strip().splitlines()
    wanted = [
        "source 1 (file): path: /nowhere.wav cannot be read",
        "sink 1 (webhook): token_file: /nowhere/token cannot be read",
        "sink 2 (history): clips: there is no label or group 'dog_brk'. Did you mean 'dog_bark'?",
        "sink 3 (mqtt): discovery_labels: there is no label or group 'alrm'. Did you mean 'alarm'?",
        "sink 4 (command): '/nowhere.sh' is not there",
        f"sink 6 (log): {tmp_path}/a.log is used by sink 5 (log) already",
        "sink 8 (prometheus): 127.0.0.1:9774 is used by sink 7 (prometheus) already",
    ]
    assert done.returncode == 2
    assert all(what in line for what, line in zip(wanted, said, strict=True)), said


def test_a_token_that_is_not_there_is_a_wrong_configuration_which_no_restart_mends(
    tmp_path: Path, beeps: Path, listener: Listener
) -> None:
    (tmp_path / "c.toml").write_text('[[sink]]\nkind = "webhook"\nurl = "http://localhost/"\ntoken_file = "/nowhere"\n')
    done = listener("run", "--config", tmp_path / "c.toml", "--path", beeps)
    assert done.returncode == 2
    assert "token_file /nowhere: cannot be read" in done.stderr.splitlines()[-1]


def test_two_labels_may_not_be_reported_under_one_name(listener: Listener) -> None:
    done = listener("check", "--set", "labels.dog_bark.name=rooster")
    assert done.returncode == 2
    assert "labels.dog_bark.name: another label is reported as 'rooster'" in one_line(done.stderr)


def test_and_only_a_warning_for_run(tmp_path: Path, beeps: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text("[labels.dog_brk]\non = 0.5\n")
    done = listener("run", "--json", "--config", tmp_path / "c.toml", "--path", beeps)
    assert done.returncode == 0, done.stderr
    assert "no label 'dog_brk'" in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--set", "gate.kindd=open"), "gate.kindd: unknown key; did you mean 'kind'?"),
        (("--set", "model.bundle=/nowhere"), "/nowhere is no model bundle"),
        (("--set", "labels.rain.on=0.2"), "labels.rain: off"),
        (("--config", "/nowhere.toml"), "/nowhere.toml: cannot be read"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_status_2(flags: tuple[str, ...], says: str, listener: Listener) -> None:
    done = listener("run", *flags)
    assert done.returncode == 2
    assert says in one_line(done.stderr)


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
    lines = done.stderr.strip().splitlines()
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
    assert "WAV" in done.stderr or "wav" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_and_classify_tell_the_same_of_a_recording(beeps: Path, listener: Listener) -> None:
    ended = [json.loads(line) for line in listener("run", "--json", "--path", beeps).stdout.splitlines()]
    whole = [json.loads(line) for line in listener("classify", "--json", beeps).stdout.splitlines()]
    keys = ("label", "start_s", "end_s", "detected_s", "peak")
    assert [[e[k] for k in keys] for e in ended if e["phase"] == "end"] == [[e[k] for k in keys] for e in whole]


@needs_silence
def test_without_a_microphone_run_is_an_error_that_says_what_to_do(listener: Listener) -> None:
    done = listener("run")
    assert done.returncode == 2
    assert "no input device" in done.stderr
    assert "Traceback" not in done.stderr


@needs_silence
def test_with_wait_it_waits_and_says_so(started: Callable[..., "subprocess.Popen[bytes]"]) -> None:
    process = started("run", "--wait", "--plain")
    assert process.stderr
    assert any(b"waiting" in line for line in iter(process.stderr.readline, b""))
    process.send_signal(signal.SIGTERM)
    assert process.wait(2) == -signal.SIGTERM


@needs_silence
def test_with_or_demo_it_says_so_and_plays_the_demo(started: Callable[..., "subprocess.Popen[bytes]"]) -> None:
    process = started("run", "--or-demo", "--json")
    assert process.stderr
    assert any(b"playing the demo recording" in line for line in iter(process.stderr.readline, b""))
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
    started: Callable[..., "subprocess.Popen[bytes]"],
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
    environment: dict[str, str], started: Callable[..., "subprocess.Popen[bytes]"], listener: Listener
) -> None:
    first = started("run", "--wait", "--plain")
    wait_for(Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock")
    second = listener("run", "--wait", "--plain")
    assert second.returncode != 0
    assert str(first.pid) in second.stderr.splitlines()[-1]


def test_the_socket_of_a_killed_daemon_is_taken_over(
    environment: dict[str, str], started: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    socket = Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock"
    first = started("run", "--wait", "--plain")
    wait_for(socket)
    first.kill()
    first.wait()
    second = started("run", "--wait", "--plain")
    assert second.stderr
    assert any(b"events on unix:" in line for line in iter(second.stderr.readline, b""))


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
    assert b"did not stop" in complaint
    os.close(reading)


def pending(descriptor: int) -> int:
    """Bytes that wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


@pytest.mark.parametrize("command", [["classify"], ["classify", "--json"], ["check"], ["run", "--json", "--path"]])
def test_output_that_cannot_be_written_is_one_line_and_no_success(
    command: list[str], beeps: Path, environment: dict[str, str]
) -> None:
    files = [] if command == ["check"] else [str(beeps)]
    with Path("/dev/full").open("wb") as full:
        line = [sys.executable, "-m", "listener", *command, *files]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"No space left" in done.stderr


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
    seen = read_until(ours, b"playing the demo recording")
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
    assert "listener run" in one_line(done.stderr)


@needs_silence
def test_tail_prints_what_the_daemon_hears(
    environment: dict[str, str], started: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    started("run", "--or-demo", "--plain")
    wait_for(Path(environment["XDG_RUNTIME_DIR"]) / "listener.sock")
    tail = started("tail", "--json", "--replay", "5")
    assert tail.stdout
    assert json.loads(tail.stdout.readline())["type"] == "event"


def test_a_real_recording_is_named(listener: Listener) -> None:
    done = listener("classify", "--scores", shared_path("rooster", 1))
    scores = json.loads(done.stdout)["scores"]
    assert max(scores, key=scores.get) == "rooster"
