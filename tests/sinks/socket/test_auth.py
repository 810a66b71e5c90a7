"""Clients on TCP are let in with the token, and learn nothing without it."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from listener import messages as wire
from listener.base import credentials, requirements
from listener.client import Client
from listener.errors import ConfigError, SinkError
from listener.sinks.socket.auth import MAX_UNAUTHENTICATED, WRONG_S
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.raising import raises
from tests.sinks.messages import HELLO, event
from tests.waiting import eventually

TOKEN = "correct-horse-battery"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SocketServer]:
    """On loopback, with a token."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    config = SocketConfig(path=str(tmp_path / "s"), tcp="127.0.0.1:0", token_file=str(tmp_path / "token"))
    server = SocketServer(config, HELLO)
    server.open()
    yield server
    server.close()


@pytest.fixture
def knock(server: SocketServer) -> Iterator["Knock"]:
    with ExitStack() as stack:
        yield Knock(server, stack)


class Knock:
    """Connects by TCP and says something; what comes back until the server ends it."""

    def __init__(self, server: SocketServer, stack: ExitStack) -> None:
        self._server, self._stack = server, stack

    def __call__(self, said: bytes = b"") -> socket.socket:
        assert self._server.port
        client = self._stack.enter_context(socket.create_connection(("127.0.0.1", self._server.port), 20))
        client.sendall(said)
        return client


def last_words(client: socket.socket) -> list[wire.Message]:
    with client.makefile("rb") as lines:
        return [wire.decode(line) for line in lines]


def test_with_the_token_a_client_is_greeted_and_gets_events(server: SocketServer) -> None:
    messages = Client(f"tcp:127.0.0.1:{server.port}", TOKEN).receive(replay=1)
    assert next(messages) == HELLO
    server.emit(event())
    assert next(messages) == event()


def test_on_the_unix_socket_nobody_is_asked(server: SocketServer) -> None:
    assert next(Client(f"unix:{server.path}").receive()) == HELLO
    assert next(Client(f"unix:{server.path}", TOKEN).receive()) == HELLO


def test_a_client_without_the_token_is_told_how_to_give_it(server: SocketServer) -> None:
    with pytest.raises(SinkError):
        next(Client(f"tcp:127.0.0.1:{server.port}").receive())


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", "é" * 20])
def test_a_wrong_token_is_refused(server: SocketServer, wrong: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(SinkError):
        next(Client(f"tcp:127.0.0.1:{server.port}", wrong).receive())
    assert len(caplog.records) == bool(wrong)


@pytest.mark.parametrize("said", [b'{"subscribe":["event"]}\n', b"GET / HTTP/1.1\n\n", b'{"command":"state"}\n', b""])
def test_before_the_token_nothing_is_heeded_and_nothing_is_told(
    server: SocketServer, knock: Knock, said: bytes
) -> None:
    client = knock(said)
    server.emit(event())
    (only,) = last_words(client)
    assert isinstance(only, wire.Error)


def test_a_guess_takes_its_time_and_there_is_one_a_connection(knock: Knock) -> None:
    began = time.monotonic()
    guesses = b'{"token":"a-wrong-one-of-many"}\n' + wire.encode(wire.Token(token=TOKEN))
    (only,) = last_words(knock(guesses))
    assert isinstance(only, wire.Error)
    assert time.monotonic() - began >= WRONG_S


@pytest.mark.parametrize("sent", [b"", b'{"token":"a-wrong-one-of-many"}\n'])
def test_silent_connections_and_wrong_tokens_do_not_keep_the_right_one_out(
    server: SocketServer, knock: Knock, sent: bytes
) -> None:
    strangers = [knock(sent) for _ in range(MAX_UNAUTHENTICATED + 16)]
    assert next(Client(f"tcp:127.0.0.1:{server.port}", TOKEN).receive()) == HELLO
    eventually(lambda: server.clients <= MAX_UNAUTHENTICATED + 1, "the oldest strangers are disconnected")
    assert len(strangers) > MAX_UNAUTHENTICATED
    assert next(Client(f"unix:{server.path}").receive()) == HELLO


def test_wrong_tokens_do_not_fill_the_log(knock: Knock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(30):
        knock(b"wrong\n")
    eventually(lambda: len(caplog.records) == 1, "a wrong token is logged")
    time.sleep(0.1)
    assert len(caplog.records) == 1


def test_a_token_that_could_be_guessed_is_refused_and_check_says_so_before(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    config = SocketConfig(path=str(tmp_path / "s"), tcp="127.0.0.1:0", token_file=str(tmp_path / "token"))
    server = SocketServer(config, HELLO)
    assert [error.code for error in requirements.missing(server.requirements)] == ["secret-short"]
    with pytest.raises(ConfigError):
        server.open()


@pytest.mark.parametrize("key", ["--token-file", "socket.token_file"])
def test_an_empty_token_is_said_to_be_none(tmp_path: Path, key: str) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(ConfigError, match=rf"^{key}: .*/token is empty"):
        credentials.token(key, str(tmp_path / "token"))


def test_a_token_is_read_from_a_credential_and_one_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config = SocketConfig(path=str(tmp_path / "s"), tcp="127.0.0.1:0", token_file="door")
    with pytest.raises(ConfigError, match="door"):
        SocketServer(config, HELLO).open()
    (tmp_path / "door").write_text(TOKEN)
    server = SocketServer(config, HELLO)
    server.open()
    server.close()


def test_a_token_without_tcp_and_tcp_for_all_without_a_token_are_refused() -> None:
    with raises("socket-token-unused"):
        SocketServer(SocketConfig(token_file="t"), HELLO)
    for address in ("0.0.0.0:8790", "192.168.1.2:80", "[::]:1"):
        with pytest.raises(ConfigError, match="token_file"):
            SocketServer(SocketConfig(tcp=address), HELLO)
