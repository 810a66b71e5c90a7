"""Tests leave the user's files, sockets and ports alone."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from listener import config
from listener.base import paths
from tests.hermetic import INHERITED, environment
from tests.hostile import TOUCHED, hostile

ROOT = Path(__file__).resolve().parents[1]
# Two files that look up the usual configuration and the usual sockets.
EXAMPLES = ["tests/test_config.py", "tests/test_client.py"]


def under_hostility(command: Sequence[object]) -> tuple[int, str]:
    line = [sys.executable, "-m", "tests.hostile", *map(str, command)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stdout + done.stderr


def test_each_test_has_folders_of_its_own(own_home: Path) -> None:
    assert Path.home() == own_home / "home"
    assert paths.config_folder() == own_home / "home/.config"
    assert paths.state_folder() == own_home / "home/.local/state/listener"
    assert all(own_home in path.parents for path in paths.sockets())
    assert config.find() is None
    assert not [variable for variable in INHERITED if variable in os.environ]


@pytest.mark.system
def test_tests_do_not_touch_what_is_the_users() -> None:
    status, output = under_hostility([sys.executable, "-m", "pytest", "-n0", "-q", *EXAMPLES])
    assert status == 0, output


@pytest.mark.system
def test_a_command_that_uses_the_users_configuration_is_noticed() -> None:
    status, output = under_hostility([sys.executable, "-m", "listener", "status"])
    assert status != 0, output
    assert "listener.sock" in output


@pytest.mark.system
def test_a_file_that_is_written_and_a_port_that_is_used_are_noticed() -> None:
    code = (
        "import os, pathlib, socket; pathlib.Path.home().joinpath('new').write_text(''); "
        "socket.socket(socket.AF_UNIX).connect(os.environ['XDG_RUNTIME_DIR'] + '/listener.sock')"
    )
    assert under_hostility([sys.executable, "-c", code])[0] == TOUCHED


def test_the_decoys_record_nothing_if_nothing_happens(tmp_path: Path) -> None:
    with hostile(tmp_path) as (_, touched):
        pass
    assert not touched


def test_the_folders_of_two_tests_differ(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    assert not set(environment(first).values()) & set(environment(second).values())
