"""The command hook: real programs that run, fail, hang, flood, are not there, and are ended in time."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from listener import config as configuration
from listener import messages
from listener.routing.first_seen import MAX_EVENTS, FirstSeen
from listener.sinks.command.sink import Hook, HookConfig
from tests.raising import raises
from tests.sinks.messages import HELLO, event
from tests.waiting import eventually

Opened = Callable[..., Hook]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Makes hooks that are closed at the end."""
    hooks: list[Hook] = []

    def make(program: Path, *arguments: str, **config: Any) -> Hook:
        hook = Hook(HookConfig(run=(str(program), *arguments), **config), HELLO)
        hooks.append(hook)
        hook.open()
        return hook

    yield make
    for hook in hooks:
        hook.close()


def script(folder: Path, body: str, name: str = "hook.sh") -> Path:
    """An executable shell script. $OUT is the folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nOUT='{folder}'\n{body}\n")
    path.chmod(0o755)
    return path


def wrote(path: Path) -> str:
    """What a script wrote into a file, once it is there as a whole (scripts write aside and move)."""
    eventually(path.exists, f"{path.name} is written")
    return path.read_text()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def said(caplog: pytest.LogCaptureFixture, what: str) -> None:
    eventually(lambda: what in caplog.text, f"the log says {what!r}")


def test_the_program_reads_the_event_as_one_line_of_json(tmp_path: Path, opened: Opened) -> None:
    program = script(tmp_path, "cat > $OUT/aside && mv $OUT/aside $OUT/heard")
    opened(program).emit(event(label="café"))
    assert messages.decode(wrote(tmp_path / "heard").encode()) == event(label="café")
    assert wrote(tmp_path / "heard").count("\n") == 1


def test_every_plain_value_is_in_the_environment(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "JOURNAL_STREAM"):
        monkeypatch.setenv(name, "1")
    program = script(tmp_path, "env > $OUT/aside && mv $OUT/aside $OUT/heard")
    opened(program).emit(event(label="sirène", start="2026-11-20T14:38:56.316Z"))
    lines = dict(line.partition("=")[::2] for line in wrote(tmp_path / "heard").splitlines())
    told = {name: value for name, value in lines.items() if name.startswith("LISTENER_") and name != "LISTENER_ROOT"}
    assert told == {
        "LISTENER_V": "1",
        "LISTENER_ID": "e0",
        "LISTENER_SEQ": "0",
        "LISTENER_PHASE": "start",
        "LISTENER_LABEL": "sirène",
        "LISTENER_SCORE": "0.93",
        "LISTENER_PEAK": "0.97",
        "LISTENER_START": "2026-11-20T14:38:56.316Z",
        "LISTENER_END": "",
        "LISTENER_START_S": "12.5",
        "LISTENER_END_S": "",
        "LISTENER_DETECTED_S": "13.2",
        "LISTENER_SOURCE": "kitchen",
        "LISTENER_LEVEL_DBFS": "-23.0",
        "LISTENER_MODEL": "tiny",
    }
    assert lines["PATH"] == os.environ["PATH"]
    assert not [name for name in lines if name.startswith(("NOTIFY", "WATCHDOG", "LISTEN_", "JOURNAL"))]


def test_arguments_reach_the_program_without_a_shell(tmp_path: Path, opened: Opened) -> None:
    program = script(tmp_path, 'printf %s "$1" > $OUT/aside && mv $OUT/aside $OUT/heard')
    opened(program, "$HOME; rm -rf 'x'").emit(event())
    assert wrote(tmp_path / "heard") == "$HOME; rm -rf 'x'"


def heard_phases(folder: Path, hook: Hook) -> list[str]:
    """The phases of which the program of `phases` was told: each run leaves a file."""
    for seq, phase in enumerate(("update", "update", "end"), 1):
        hook.emit(event(seq=seq, phase=phase))
    hook.emit(event(9, phase="end"))
    eventually((folder / "e9-0-end").exists, "the last event is told")
    return sorted(path.name for path in folder.glob("e*-*"))


def test_an_event_runs_it_once_at_the_first_line_that_was_let_through(tmp_path: Path, opened: Opened) -> None:
    program = script(tmp_path, "> $OUT/$LISTENER_ID-$LISTENER_SEQ-$LISTENER_PHASE")
    assert heard_phases(tmp_path, opened(program, at_once=1)) == ["e0-1-update", "e9-0-end"]


def test_each_phase_runs_it_for_every_line_in_order(tmp_path: Path, opened: Opened) -> None:
    program = script(tmp_path, "> $OUT/$LISTENER_ID-$LISTENER_SEQ-$LISTENER_PHASE")
    heard = heard_phases(tmp_path, opened(program, at_once=1, each_phase=True))
    assert heard == ["e0-1-update", "e0-2-update", "e0-3-end", "e9-0-end"]


def test_its_output_is_logged_line_by_line_within_bounds(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = "printf 'a\\033[31mb\\n' >&2; head -c 2000 /dev/zero | tr '\\0' x; echo; seq 1 1000; yes | head -c 5000000"
    hook = opened(script(tmp_path, body + "; exit 3"))
    hook.emit(event())
    said(caplog, "ended with status 3")
    lines = [record.getMessage().partition("says: ")[2] for record in caplog.records if "says" in record.getMessage()]
    assert lines[0] == "a\\x1b[31mb"
    assert lines[1] == "x" * 500
    assert lines[2:] == [*map(str, range(1, 19)), "(further output is discarded)"]


def test_a_failing_program_is_said_once_an_episode(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = opened(script(tmp_path, "test $LISTENER_LABEL = rain"))
    for number, label in enumerate(("siren", "siren", "siren", "rain")):
        before = len(caplog.records)
        hook.emit(event(number, label=label))
        eventually(lambda before=before: len(caplog.records) > before, "it has ended")  # type: ignore[misc]
    assert len(warnings(caplog)) == 1
    assert "ended with status 1" in warnings(caplog)[0]
    assert "works again" in caplog.text


def test_what_is_missing_is_named_with_the_remedy_and_used_when_it_comes(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = opened(tmp_path / "hook.sh")
    assert warnings(caplog) == [f"command ['{tmp_path}/hook.sh']: does not exist. Write its full path"]
    hook.emit(event())
    eventually(lambda: hook.lost == 1, "the event is counted")
    assert len(warnings(caplog)) == 1
    script(tmp_path, "> $OUT/ran")
    hook.emit(event(1))
    eventually((tmp_path / "ran").exists, "it runs")
    said(caplog, "works again")


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (("#!/bin/sh", 0o644), "chmod +x /"),
        (("#!/no/such/shell", 0o755), "#!"),
        (("#!/bin/sh\r", 0o755), "#!"),
        (("\x00\x01", 0o755), "#!/bin/sh"),
    ],
)
def test_what_cannot_be_run_is_named_with_the_remedy(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture, file: tuple[str, int], says: str
) -> None:
    first_line, mode = file
    path = tmp_path / "hook.sh"
    path.write_bytes(f"{first_line}\ntrue\n".encode())
    path.chmod(mode)
    opened(path).emit(event())
    eventually(lambda: caplog.text, "it is said")
    assert says in caplog.text


def test_arguments_may_be_secret_and_are_not_logged(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened(tmp_path / "none", "--password=hush").emit(event())
    said(caplog, "does not exist")
    assert "hush" not in caplog.text


HANGING = """
trap '' TERM
sleep 600 &
echo $! > $OUT/aside && mv $OUT/aside $OUT/grandchild
while :; do sleep 600; done
"""


def test_what_hangs_is_ended_with_all_it_started(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    hook = opened(script(tmp_path, HANGING), timeout_s=0.3)
    began = time.monotonic()
    hook.emit(event())
    assert time.monotonic() - began < 0.25
    grandchild = int(wrote(tmp_path / "grandchild"))
    said(caplog, "it ran longer than timeout_s, 0.3 s")
    eventually(lambda: not alive(grandchild), "the grandchild is gone")


def test_a_background_job_that_keeps_the_output_is_ended_too(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    hook = opened(script(tmp_path, "sleep 600 & echo $! > $OUT/aside && mv $OUT/aside $OUT/job"), timeout_s=0.3)
    hook.emit(event())
    job = int(wrote(tmp_path / "job"))
    said(caplog, "longer than timeout_s")
    eventually(lambda: not alive(job), "the job is gone")


def test_one_that_left_its_group_costs_no_more_than_the_time_limits(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    hook = opened(script(tmp_path, "setsid sleep 600 & echo $! > $OUT/aside && mv $OUT/aside $OUT/job"), timeout_s=1.0)
    hook.emit(event())
    job = int(wrote(tmp_path / "job"))
    said(caplog, "cannot be ended")
    with suppress(ProcessLookupError):
        os.kill(job, signal.SIGKILL)


def test_a_program_that_closes_its_input_is_no_trouble(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    big = event(top={f"label {number}": 0.5 for number in range(20_000)})  # more than a pipe holds
    opened(script(tmp_path, "exec <&-; sleep 0.1; > $OUT/ran")).emit(big)
    eventually((tmp_path / "ran").exists, "it ran")
    assert not warnings(caplog)


def test_a_line_longer_than_a_pipe_arrives_whole(tmp_path: Path, opened: Opened) -> None:
    big = event(top={f"label {number}": 0.5 for number in range(20_000)})
    opened(script(tmp_path, "cat > $OUT/aside && mv $OUT/aside $OUT/heard")).emit(big)
    assert len(json.loads(wrote(tmp_path / "heard"))["top"]) == 20_000


BLOCKED = "> $OUT/began-$LISTENER_ID; while ! test -e $OUT/go; do sleep 0.02; done; > $OUT/done-$LISTENER_ID"


def test_so_many_run_at_once_some_wait_and_the_rest_is_left_out_and_counted(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hook = opened(script(tmp_path, BLOCKED), at_once=2, waiting=3)
    for number in range(9):
        hook.emit(event(number))
    eventually(lambda: len(list(tmp_path.glob("began-*"))) == 2, "two run")
    assert hook.lost == 4
    assert len(warnings(caplog)) == 1
    assert "2 run and 3 events wait" in warnings(caplog)[0]
    (tmp_path / "go").touch()
    eventually(lambda: len(list(tmp_path.glob("done-*"))) == 5, "those that waited have run")
    said(caplog, ": keeps up again; 4 ")
    assert sorted(path.name for path in tmp_path.glob("done-*")) == [f"done-e{number}" for number in range(5)]


def test_our_descriptors_are_not_theirs(tmp_path: Path, opened: Opened) -> None:
    with (tmp_path / "secret").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        program = script(tmp_path, "ls -l /proc/$$/fd > $OUT/aside; mv $OUT/aside $OUT/heard")
        opened(program).emit(event())
        assert "secret" not in wrote(tmp_path / "heard")


def test_it_is_in_a_session_of_its_own(tmp_path: Path, opened: Opened) -> None:
    program = script(tmp_path, "echo $$ $(ps -o sid= -p $$) > $OUT/aside; mv $OUT/aside $OUT/heard")
    opened(program).emit(event())
    pid, session = wrote(tmp_path / "heard").split()
    assert pid == session


def test_closing_lets_what_runs_and_waits_finish(tmp_path: Path, opened: Opened) -> None:
    hook = opened(script(tmp_path, "sleep 0.1; > $OUT/done-$LISTENER_ID"), at_once=1)
    hook.emit(event(0))
    hook.emit(event(1))
    hook.close()
    assert len(list(tmp_path.glob("done-*"))) == 2
    assert hook.lost == 0


def test_closing_ends_what_hangs_in_time_and_says_what_never_ran(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    hook = opened(script(tmp_path, HANGING), at_once=1, timeout_s=600)
    hook.emit(event(0))
    hook.emit(event(1))
    grandchild = int(wrote(tmp_path / "grandchild"))
    began = time.monotonic()
    hook.close()
    hook.close()
    assert time.monotonic() - began < 1.3
    eventually(lambda: not alive(grandchild), "it is gone")
    assert hook.lost == 1
    assert "waiting: 1" in caplog.text
    hook.emit(event(2))
    assert hook.lost == 2


def test_nothing_of_ours_is_left_when_all_have_ended(tmp_path: Path, opened: Opened) -> None:
    hook = opened(script(tmp_path, "true"))
    for number in range(8):
        hook.emit(event(number))
    hook.close()
    mine = f"command ['{tmp_path}"
    eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith(mine)], "no thread is left")


def test_a_hook_without_a_program_is_refused_with_an_example() -> None:
    with raises("command-empty"):
        Hook(HookConfig(), HELLO)
    with raises("command-argument"):
        Hook(HookConfig(run=("true", "a\0b")), HELLO)


def test_the_documentation_is_a_configuration_and_names_every_variable() -> None:
    text = (Path(__file__).parents[3] / "docs" / "scripts.md").read_text()
    tables = tomllib.loads(text.split("```toml")[1].split("```")[0])["sink"]
    parts = [configuration.part("sink", table) for table in tables]
    assert [type(part.factory(part.config, HELLO)) for part in parts] == [Hook]
    assert parts[0].when.labels == ("dog_bark", "smoke_alarm")
    fields = set(event().__struct_fields__) - {"top"}
    assert {f"LISTENER_{name.upper()}" for name in fields} <= set(re.findall("LISTENER_[A-Z_]+", text))


def test_the_first_line_of_an_event_is_known_however_many_came_and_never_ended() -> None:
    first = FirstSeen()
    lasting = event(seq=1)
    assert first(lasting)
    for number in range(1, 2 * MAX_EVENTS):
        assert first(event(number))
        assert not first(lasting)


PARENT = """
import sys, time
from listener.sinks.command.sink import Hook, HookConfig
from tests.sinks.messages import HELLO, event
hook = Hook(HookConfig(run=(sys.argv[1],), timeout_s=1000), HELLO)
hook.open()
hook.emit(event())
time.sleep(1000)
"""


def test_a_running_program_dies_with_a_killed_daemon(tmp_path: Path) -> None:
    program = tmp_path / "hook.sh"
    program.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 1000\n"
    )
    program.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(program)]) as parent:
        eventually((tmp_path / "pid").exists, "the program runs")
        parent.kill()
    pid = int((tmp_path / "pid").read_text())
    eventually(
        lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text(), "it has ended"
    )
