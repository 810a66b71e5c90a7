"""Every command: help, wrong options, and errors that end it."""

import subprocess
import sys
from pathlib import Path

import pytest

from listener import __version__
from listener.cli.main import COMMANDS
from tests.cli.conftest import Listener, code


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
    assert code(done.stderr) in ("cli-usage", "run-options")
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
