"""A threshold is written only into the file that the daemon reads, or is sure to read next time."""

import os
from pathlib import Path

import msgspec
import pytest

from listener import config as configuration
from listener.cli import save_thresholds
from listener.client import Client
from listener.messages import Hello
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.tuning.save_result import SaveResult
from tests.sinks.messages import HELLO


class Beside(Client):
    """A connection to a daemon of a certain process and user."""

    def __init__(self, process: int = HELLO.pid, user: int | None = None) -> None:
        super().__init__("unix:/nowhere")
        self._daemon = process, os.getuid() if user is None else user

    def daemon(self) -> tuple[int, int]:
        return self._daemon


@pytest.fixture
def shipped() -> Bundle:
    return bundles.load(bundles.find(bundles.DEFAULT))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's configuration would be; there is none, nor one of the machine."""
    if configuration.SYSTEM_FILE.exists():
        pytest.skip("this machine has a configuration of its own")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "listener" / "config.toml"


def by(client: Client, shipped: Bundle, config: Path | str) -> SaveResult:
    return save_thresholds.by_client(client)(greeting(shipped, config), {shipped.labels[0]: 0.66})


def greeting(shipped: Bundle, config: Path | str) -> Hello:
    return msgspec.structs.replace(HELLO, model=shipped.name, labels=list(shipped.labels), config=str(config))


def test_it_is_the_file_that_the_daemon_names(shipped: Bundle, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "of-daemon.toml"
    path.write_text("")
    assert by(Beside(), shipped, path).path == path
    assert configuration.load(path).labels[shipped.labels[0]].on == 0.66
    assert not home.exists()


def test_of_a_daemon_in_a_container_the_same_path_is_another_file(shipped: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("")
    came = by(Beside(process=4711), shipped, path)
    assert came.lines
    assert path.read_text() == ""


def test_without_a_file_the_users_own_is_made(shipped: Bundle, home: Path) -> None:
    assert by(Beside(), shipped, "").path == home
    assert configuration.find() == home


@pytest.mark.parametrize("named", ["", "mine.toml"])
def test_another_users_daemon_names_no_file_of_ours(named: str, shipped: Bundle, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    came = by(Beside(user=os.getuid() + 1), shipped, tmp_path / named if named else "")
    assert (came.path, (tmp_path / "mine.toml").read_text()) == (None, "")
    assert came.why
    assert not home.exists()


@pytest.mark.parametrize("kind", ["gone", "pipe"])
def test_a_missing_file_is_not_created(kind: str, shipped: Bundle, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    came = by(Beside(), shipped, path)
    assert (came.path, str(path) in came.why) == (None, True)
    assert not path.is_file()


def test_the_daemons_own_display_needs_no_connection(shipped: Bundle, home: Path) -> None:
    keep = save_thresholds.by_daemon()
    assert keep(greeting(shipped, ""), {shipped.labels[0]: 0.66}).path == home
