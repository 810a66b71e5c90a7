"""`listener status` beside a daemon's real socket: how it is doing, and an exit status that a monitor can use."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from listener import messages
from listener.cli import main
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.cli.conftest import code
from tests.sinks.messages import HELLO, status


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SocketServer]:
    daemon = SocketServer(SocketConfig(path=str(tmp_path / "s")), HELLO)
    daemon.open()
    yield daemon
    daemon.close()


@pytest.fixture
def saying(server: SocketServer) -> Iterator[Callable[[messages.Status], str]]:
    """Has the daemon say a status again and again; where it is to be asked."""
    done = threading.Event()
    threads: list[threading.Thread] = []

    def start(said: messages.Status) -> str:
        def say() -> None:
            while not done.wait(0.01):
                server.on_status(said)

        threads.append(threading.Thread(target=say))
        threads[-1].start()
        return f"unix:{server.path}"

    yield start
    done.set()
    for thread in threads:
        thread.join()


def test_a_daemon_that_listens_is_well(
    saying: Callable[[messages.Status], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["status", "--connect", saying(status())]) == 0
    daemon, source = capsys.readouterr().out.splitlines()
    assert daemon.split("  ") == ["listener 0.1.0", "tiny on cpu", "up 1:03:20", "cpu 2.0 %"]
    assert source.startswith("kitchen  listening, ")


def test_what_is_wrong_with_what_it_hears_is_said_and_a_failure(
    saying: Callable[[messages.Status], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["status", "--connect", saying(status(trouble="silence"))]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "kitchen  silence"


def test_a_deaf_daemon_says_why_and_fails(
    saying: Callable[[messages.Status], str], capsys: pytest.CaptureFixture[str]
) -> None:
    deaf = status(state="recovering", detail="unplugged")
    assert main.main(["status", "--connect", saying(deaf)]) == 1
    assert "kitchen  recovering (unplugged)" in capsys.readouterr().out


def test_json_is_the_sockets_line(saying: Callable[[messages.Status], str], capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["status", "--json", "--connect", saying(status())])
    assert messages.decode(capsys.readouterr().out.encode()) == status()


def test_a_daemon_that_says_nothing_does_not_hold_the_caller(
    server: SocketServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["status", "--connect", f"unix:{server.path}"]) == 1
    assert code(capsys.readouterr().err) == "client-silent"
