"""The client: finds a daemon, says what it wants, and says plainly what is wrong where it cannot."""

import os
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from listener import messages as wire
from listener.base.addresses import KEEPALIVE
from listener.client import LINE_BYTES, AccessDenied, Client
from listener.errors import ConfigError, ListenerError
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.sinks.messages import HELLO, event, level


@contextmanager
def raising(code: str, names: str = "") -> Iterator[None]:
    """Expect an error of this code whose message names something."""
    with pytest.raises(ListenerError) as raised:
        yield
    assert raised.value.code == code
    assert names in str(raised.value)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SocketServer]:
    daemon = SocketServer(SocketConfig(path=str(tmp_path / "listener.sock"), tcp="127.0.0.1:0"), HELLO)
    daemon.open()
    yield daemon
    daemon.close()


def test_the_greeting_comes_first_then_what_was_asked_for(server: SocketServer) -> None:
    server.emit(event(1, label="rain"))
    server.emit(event(2, label="siren"))
    messages = Client(f"unix:{server.path}").receive(labels=["siren"], replay=5)
    assert [next(messages), next(messages)] == [HELLO, event(2, label="siren")]
    server.emit(event(3, label="siren"))
    assert next(messages) == event(3, label="siren")


def test_over_tcp_it_is_the_same(server: SocketServer) -> None:
    server.emit(event())
    messages = Client(f"tcp:127.0.0.1:{server.port}").receive(replay=1)
    assert [next(messages), next(messages)] == [HELLO, event()]


def test_it_tells_who_is_at_the_other_end_where_that_is_certain(server: SocketServer) -> None:
    client = Client(f"unix:{server.path}")
    with raising("client-not-connected"):
        client.daemon()
    messages = client.receive()
    next(messages)
    assert client.daemon() == (os.getpid(), os.getuid())
    messages.close()
    with raising("client-not-connected"):
        client.daemon()


def test_by_tcp_it_cannot_tell_who_is_at_the_other_end(server: SocketServer) -> None:
    client = Client(f"tcp:127.0.0.1:{server.port}")
    messages = client.receive()
    next(messages)
    with raising("client-tcp"):
        client.daemon()
    messages.close()


def test_without_an_address_it_looks_where_daemons_are(
    server: SocketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert next(Client().receive()) == HELLO
    assert server.path.parent == tmp_path


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """To us, who are nobody meanwhile where we are root."""
    user = os.geteuid()
    folder.chmod(0)
    os.seteuid(65_534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_a_socket_that_is_closed_to_us_is_no_absent_daemon(server: SocketServer, tmp_path: Path) -> None:
    with closed(tmp_path), pytest.raises(AccessDenied) as raised:
        next(Client(f"unix:{server.path}").receive())
    assert raised.value.code == "client-denied"


def test_events_from_before_the_subscription_are_not_mixed_in(server: SocketServer) -> None:
    messages = Client(f"unix:{server.path}").receive(subscribe=["level"])
    next(messages)
    server.emit(event())  # the daemon sends it: we have not yet said what we want
    stop = threading.Event()

    def meter() -> None:
        while not stop.wait(0.001):
            server.on_level(level())

    thread = threading.Thread(target=meter)
    thread.start()
    assert next(messages) == level()
    stop.set()
    thread.join()


def test_messages_end_when_the_daemon_does(server: SocketServer) -> None:
    server.emit(event())
    messages = Client(f"unix:{server.path}").receive(replay=1)
    assert [next(messages), next(messages)] == [HELLO, event()]
    server.close()
    assert list(messages) == []


def test_closing_from_another_thread_ends_messages(server: SocketServer) -> None:
    server.emit(event())
    client = Client(f"unix:{server.path}")
    messages = client.receive(replay=1)
    assert [next(messages), next(messages)] == [HELLO, event()]
    threading.Thread(target=client.close).start()
    assert list(messages) == []


def test_without_a_daemon_it_says_where_it_looked_and_how_to_start_one(tmp_path: Path) -> None:
    with raising("client-no-daemon", "/nobody"):
        next(Client(f"unix:{tmp_path}/nobody").receive())


@pytest.mark.parametrize("replay", [-1, 10**6 + 1, 10**30])
def test_a_replay_out_of_range_is_refused(replay: int, server: SocketServer) -> None:
    with raising("client-replay"):
        next(Client(f"unix:{server.path}").receive(replay=replay))


def test_a_label_that_the_daemon_does_not_know_is_refused_with_the_nearest(server: SocketServer) -> None:
    with raising("label-unknown", "'siren'"):
        next(Client(f"unix:{server.path}").receive(labels=["siern"]))


@pytest.mark.parametrize(
    "address",
    [
        "/run/listener.sock",
        "unix:",
        "tcp:localhost",
        "tcp:localhost:http",
        "tcp:localhost:65536",
        "http://x",
        f"tcp:x:{'9' * 5000}",
    ],
)
def test_an_address_of_no_kind_is_refused_with_how_to_write_one(address: str) -> None:
    with raising("client-address"):
        Client(address)


def answering(path: Path, *lines: bytes, then: Callable[[socket.socket], None] | None = None) -> socket.socket:
    """A server whose one client is greeted with these lines."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen()

    def greet() -> None:
        connection, _ = door.accept()
        with connection, suppress(OSError):  # the client may leave in the middle
            connection.sendall(b"".join(lines))
            connection.recv(1000)
            if then:
                then(connection)

    threading.Thread(target=greet, daemon=True).start()
    return door


def test_what_is_no_listener_is_named_so(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "s", wire.encode(event())),
        raising("client-stranger"),
    ):
        next(Client(f"unix:{tmp_path}/s").receive())


def test_lines_of_a_newer_daemon_are_passed_over(tmp_path: Path) -> None:
    ack = wire.encode(wire.Ack(subscribe=["event"], labels=None, replay=0))
    with answering(tmp_path / "s", wire.encode(HELLO), ack, b'{"type":"smell"}\n', wire.encode(event())):
        assert list(Client(f"unix:{tmp_path}/s").receive()) == [HELLO, event()]


def test_a_daemon_that_ends_the_connection_is_quoted(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "s", wire.encode(HELLO), wire.encode(wire.Error(message="too many"))),
        raising("client-closed", "too many"),
    ):
        list(Client(f"unix:{tmp_path}/s").receive())


def test_over_tcp_a_peer_that_lost_its_power_is_noticed(server: SocketServer) -> None:
    client = Client(f"tcp:127.0.0.1:{server.port}")
    messages = client.receive()
    next(messages)
    connection = client._connection
    assert connection is not None
    told = [connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
    told += [connection.getsockopt(socket.IPPROTO_TCP, option) for option in KEEPALIVE]
    messages.close()
    assert told == [1, 30, 10, 3]


@pytest.mark.parametrize("after", [1, 2])  # in what it sends after the greeting; in what it reads after an event
def test_whatever_breaks_the_connection_is_an_error_of_ours(after: int, server: SocketServer) -> None:
    """A network that goes away says EHOSTUNREACH, which is no ConnectionError; nor is what a file says to recv(2)."""
    server.emit(event())
    client = Client(f"tcp:127.0.0.1:{server.port}")
    messages = client.receive(replay=1)
    for _ in range(after):
        next(messages)
    assert client._connection is not None
    with Path(os.devnull).open("rb") as null:
        os.dup2(null.fileno(), client._connection.fileno())
    with raising("client-broken"):
        next(messages)


def test_what_fails_in_taking_a_message_is_not_the_connection(server: SocketServer) -> None:
    server.emit(event())
    messages = Client(f"unix:{server.path}").receive(replay=1)
    next(messages)
    next(messages)
    assert isinstance(messages, Generator)
    with pytest.raises(BrokenPipeError):
        messages.throw(BrokenPipeError())


def test_a_host_that_can_be_no_name_is_nobody() -> None:
    with raising("client-no-daemon", "tcp:a..b:80"):
        next(Client("tcp:a..b:80").receive())


def test_a_path_below_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError):
        Client("unix:~nobody-of-that-name/x")


def test_a_server_that_ends_no_line_is_given_up(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b"x" * (LINE_BYTES + 100_000)), raising("client-line"):
        next(Client(f"unix:{tmp_path}/s").receive())


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time(tmp_path: Path) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not stop.wait(0.02):
            connection.sendall(b"x")

    ack = wire.encode(wire.Ack(subscribe=["event"], labels=None, replay=0))
    with answering(tmp_path / "s", wire.encode(HELLO), ack, then=drip), raising("client-timeout"):
        list(Client(f"unix:{tmp_path}/s").receive(patience_s=0.3))
    stop.set()


STRANGER = 4711
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that everybody can write to, as /tmp."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def served(folder: Path) -> SocketServer:
    folder.mkdir(exist_ok=True)
    daemon = SocketServer(SocketConfig(path=str(folder / "listener.sock")), HELLO)
    daemon.open()
    return daemon


@as_root
@pytest.mark.parametrize("named", [True, False])
def test_a_socket_in_a_strangers_folder_is_not_trusted(
    named: bool, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = served(shared / "theirs")
    os.chown(shared / "theirs", STRANGER, STRANGER)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared / "theirs"))
    client = Client(f"unix:{daemon.path}" if named else None)
    with raising("client-untrusted", str(shared / "theirs")):
        next(client.receive())
    with raising("client-untrusted"):
        client.command(wire.Command(command="state"))
    daemon.close()


@as_root
def test_a_strangers_link_is_not_followed(shared: Path) -> None:
    daemon = served(shared / "ours")
    (shared / "link").symlink_to(shared / "ours")
    os.chown(shared / "link", STRANGER, STRANGER, follow_symlinks=False)
    with raising("client-untrusted", str(shared / "link")):
        next(Client(f"unix:{shared}/link/listener.sock").receive())
    assert next(Client(f"unix:{shared}/ours/listener.sock").receive()) == HELLO
    daemon.close()


@as_root
def test_our_own_links_are_followed_and_a_circle_is_no_daemon(shared: Path) -> None:
    daemon = served(shared / "ours")
    (shared / "link").symlink_to("ours/../ours")
    assert next(Client(f"unix:{shared}/link/listener.sock").receive()) == HELLO
    daemon.close()
    (shared / "circle").symlink_to("circle")
    with raising("client-no-daemon"):
        next(Client(f"unix:{shared}/circle/s").receive())


@as_root
def test_a_strangers_process_behind_our_socket_is_not_trusted(shared: Path) -> None:
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(shared / "s"))
    os.seteuid(STRANGER)
    try:
        door.listen()  # whose credentials the client sees
    finally:
        os.seteuid(0)
    with door, raising("client-untrusted", str(STRANGER)):
        next(Client(f"unix:{shared}/s").receive())


@as_root
def test_the_socket_of_a_service_of_another_user_is_trusted_where_only_root_could_put_it(tmp_path: Path) -> None:
    daemon = served(tmp_path / "service")
    os.chown(tmp_path / "service", STRANGER, STRANGER)
    assert next(Client(f"unix:{daemon.path}").receive()) == HELLO
    daemon.close()
