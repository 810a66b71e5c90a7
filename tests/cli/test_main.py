"""Every command: help, wrong options, and errors that end it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from listener import __version__
from listener.cli.main import COMMANDS
from tests.cli.conftest import Listener, code

pytestmark = pytest.mark.system


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there_for_every_command(command: str, listener: Listener) -> None:
    done = listener(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Usage: listener {command}".strip() in done.stdout


def test_without_a_command_it_prints_the_help(listener: Listener) -> None:
    assert listener().stdout == listener("--help").stdout


def test_the_version_is_the_packages(listener: Listener) -> None:
    assert listener("--version").stdout == f"listener {__version__}\n"


@pytest.mark.parametrize("command", ["--help", "status --help", "snooze --help", "tail --help"])
def test_light_commands_load_no_heavy_library(command: str, environment: dict[str, str]) -> None:
    script = (
        "import sys; from listener.cli.main import main; main(sys.argv[1:]); "
        "print({'numpy', 'onnxruntime'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command.split()], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"


def test_an_unknown_command_is_refused_with_those_that_there_are(listener: Listener) -> None:
    done = listener("lisen")
    assert (done.returncode, code(done.stderr)) == (2, "cli-usage")
    assert "classify" in done.stderr


@pytest.mark.parametrize(
    "flags",
    ["--nonsense", "run --nonsense", "run --rate loud", "run --source", "run --wait --or-demo", "completion sh"],
)
def test_a_wrong_option_is_an_error_that_names_the_help(flags: str, listener: Listener) -> None:
    done = listener(*flags.split())
    assert done.returncode == 2
    assert code(done.stderr) == "cli-usage"
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("--set gate.kindd=open", "gate.kindd"),
        ("--set model.bundle=/nowhere", "/nowhere"),
        ("--set labels.rain.on=0.2", "labels.rain"),
        ("--config /nowhere.toml", "/nowhere.toml"),
    ],
)
def test_a_wrong_configuration_is_an_error_with_status_2(flags: str, names: str, listener: Listener) -> None:
    done = listener("run", *flags.split())
    assert done.returncode == 2
    assert names in done.stderr
    assert "Traceback" not in done.stderr


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


NINES = "9" * 5000


@pytest.mark.parametrize(
    "command",
    [
        f"run --rate {NINES}",
        f"history --limit {NINES}",
        f"history --since {NINES}d",
        f"snooze rain {NINES}h",
        f"tail --replay {NINES}",
        f"tail --connect tcp:localhost:{NINES}",
        f"check --set gate.rise_db={NINES}",
        f"web --address 127.0.0.1:{NINES}",
        f"doctor --seconds {NINES}",
    ],
)
def test_a_number_of_thousands_of_digits_is_an_error_of_the_user(command: str, listener: Listener) -> None:
    done = listener(*command.split())
    assert done.returncode == 2
    assert "unexpected" not in done.stderr
    assert len(done.stderr) < 3000


def test_a_file_with_a_number_of_thousands_of_digits_is_not_toml(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(f"a = {NINES}")
    done = listener("check", "--config", tmp_path / "c.toml")
    assert (done.returncode, "unexpected" in done.stderr) == (2, False)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a while")
@pytest.mark.parametrize(
    ("command", "status"),
    [("check", 0), ("classify {beeps}", 0), ("tune --path {beeps}", 0), ("history", 2), ("status", 1), ("devices", 1)],
)
def test_a_user_without_a_home_or_an_entry_in_passwd_gets_an_answer(
    command: str, status: int, beeps: Path, environment: dict[str, str]
) -> None:
    """With root's right to read, for this checkout may lie in a folder of root's."""
    rights = "+dac_override,+dac_read_search"
    user = [
        "setpriv",
        "--reuid=4711",
        "--regid=4711",
        "--clear-groups",
        f"--inh-caps={rights}",
        f"--ambient-caps={rights}",
    ]
    done = subprocess.run(
        [*user, sys.executable, "-m", "listener", *command.format(beeps=beeps).split()],
        env={key: value for key, value in environment.items() if key != "HOME" and not key.startswith("XDG_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize(
    ("limit", "command"),
    [("-n 12", "run --path {beeps}"), ("-n 12", "status"), ("-v 61440", "check"), ("-v 153600", "classify {beeps}")],
)
def test_few_descriptors_or_little_memory_give_no_traceback(
    limit: str, command: str, beeps: Path, environment: dict[str, str]
) -> None:
    line = f"ulimit {limit}; exec {sys.executable} -m listener {command.format(beeps=beeps)}"
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_an_error_cannot_steer_the_terminal(listener: Listener) -> None:
    done = listener("history", "--since", "\x1b[2J\u202e")
    assert code(done.stderr) == "cli-time"
    assert "\x1b" not in done.stderr
