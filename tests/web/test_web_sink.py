"""The daemon keeps the page's program running, beside itself."""

import ast
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

import listener
from listener.base import requirements
from listener.errors import ConfigError
from listener.sinks.web import Web, WebConfig
from tests.sinks.messages import HELLO
from tests.waiting import eventually
from tests.web.conftest import Daemon, browser
from tests.web.stream import opened

START_S = 60.0  # a Python with starlette, on a machine that is busy

Kept = Callable[..., Web]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Makes an open sink."""
    sinks: list[Web] = []

    def make(address: str) -> Web:
        (tmp_path / "config.toml").write_text("")
        config = WebConfig(address=address, connect=f"unix:{tmp_path / 's'}", config=str(tmp_path / "config.toml"))
        sinks.append(Web(config, HELLO))
        sinks[-1].open()
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return f"127.0.0.1:{door.getsockname()[1]}"


def answers(address: str) -> bool:
    try:
        with browser(f"http://{address}") as page, opened(page) as stream:
            return stream.until(lambda message: message["type"] in ("hello", "disconnected"))[-1]["type"] == "hello"
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(("own", "handed"), [("", "/config.toml"), ("/etc/other.toml", "/etc/other.toml")])
def test_its_program_goes_by_the_daemons_configuration_unless_by_one_of_its_own(
    own: str, handed: str, tmp_path: Path
) -> None:
    assert flag(started(WebConfig(config=own), config_of(tmp_path)), "--config").endswith(handed)


def test_a_configuration_that_cannot_be_read_again_is_not_handed_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "--config" not in started(WebConfig(), str(tmp_path / "pipe"))
    assert "--config" not in started(WebConfig(), "")


def test_after_a_reload_by_another_file_the_next_start_goes_by_that(tmp_path: Path) -> None:
    sink = Web(WebConfig(), HELLO)
    sink.on_hello(msgspec.structs.replace(HELLO, config=config_of(tmp_path)))
    assert flag(sink._argv(), "--config") == config_of(tmp_path)


def test_a_strangers_module_in_the_current_folder_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger')")
    command = [*Web(WebConfig(), HELLO)._argv(), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=START_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_module_that_is_run_is_ours_wherever_it_is_started() -> None:
    package = Path(listener.__file__).parent
    nodes = [node for path in package.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    words = [[getattr(word, "value", None) for word in node.elts] for node in nodes if isinstance(node, ast.List)]
    running = [said for said in words if "-m" in said]
    assert len(running) >= 3
    assert [said for said in running if "-P" not in said[: said.index("-m")]] == []


def test_its_configuration_may_lie_in_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sink = Web(WebConfig(config="~/config.toml"), HELLO)
    assert flag(sink._argv(), "--config") == config_of(tmp_path)
    assert list(requirements.missing(sink.requirements)) == []


@pytest.mark.parametrize("address", ["0.0.0.0:8787", "192.168.1.2:80", "[::]:1"])
def test_an_address_for_all_without_a_token_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        Web(WebConfig(address=address), HELLO)
    Web(WebConfig(address=address, token_file="token"), HELLO)


def test_check_says_that_a_token_could_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    sink = Web(WebConfig(token_file=str(tmp_path / "token")), HELLO)
    (fault,) = requirements.missing(sink.requirements)
    assert fault.code == "secret-short"


def config_of(folder: Path) -> str:
    (folder / "config.toml").write_text("")
    return str(folder / "config.toml")


def started(config: WebConfig, of_daemon: str) -> list[str]:
    """The words of the program that a daemon with such a configuration starts."""
    return Web(config, msgspec.structs.replace(HELLO, config=of_daemon))._argv()


def flag(said: list[str], name: str) -> str:
    return said[said.index(name) + 1]


@pytest.mark.usefixtures("daemon")
def test_the_page_is_served_started_again_when_it_is_killed_and_ends_with_the_sink(kept: Kept) -> None:
    address = free_address()
    sink = kept(address)
    eventually(lambda: answers(address), "the page answers", START_S)
    first = sink._process
    assert first
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: sink._process not in (None, first) and answers(address), "it answers again", START_S)
    second = sink._process
    sink.close()
    assert second
    eventually(lambda: second.poll() is not None, "it has ended")


def test_why_it_does_not_run_is_said_once(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        kept(f"127.0.0.1:{taken.getsockname()[1]}")
        said = "starting it again"
        eventually(lambda: sum(said in record.message for record in caplog.records) == 2, "it was tried twice", START_S)
    records = [record for record in caplog.records if said in record.message]
    assert os.strerror(errno.EADDRINUSE) in records[0].message
    assert [record.levelno for record in records] == [logging.WARNING, logging.DEBUG]


def test_it_ends_with_a_daemon_that_is_killed(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    command = [sys.executable, "-m", "listener", "web", "--address", "127.0.0.1:0", "--for-daemon"]
    command += ["--connect", f"unix:{daemon.socket.path}", "--config", str(tmp_path / "config.toml")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as page:
        assert page.stdin
        assert page.stderr
        assert any(b"the page is at" in line for line in page.stderr)
        page.stdin.close()
        assert page.wait(START_S) == 0


def test_it_ends_by_a_signal_in_order_though_a_page_is_open(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    address = free_address()
    command = [sys.executable, "-m", "listener", "web", "--address", address]
    command += ["--connect", f"unix:{tmp_path / 'none'}", "--config", str(tmp_path / "config.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as page:
        assert page.stderr
        assert any(b"the page is at" in line for line in page.stderr)
        with httpx.stream("GET", f"http://{address}/api/stream", trust_env=False) as stream:
            assert next(stream.iter_lines()).startswith("retry")
            page.send_signal(signal.SIGTERM)
            _, complaint = page.communicate(timeout=START_S)
    assert page.returncode == -signal.SIGTERM
    assert b"Traceback" not in complaint
