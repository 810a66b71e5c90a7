"""The socket: any number of clients, none of which is another's trouble."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pytest

from listener import messages
from listener.errors import ConfigError, SinkError
from listener.routing.controls import Controls
from listener.sinks.socket.auth import Authenticator
from listener.sinks.socket.clients import Clients
from listener.sinks.socket.connection import EVENTS, MAX_WAITING_BYTES, SocketClient
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.raising import raises
from tests.sinks.messages import HELLO, event, level, status
from tests.waiting import eventually

Serve = Callable[..., SocketServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Makes an open server at tmp_path/s."""
    servers: list[SocketServer] = []

    def make(**settings: object) -> SocketServer:
        server = SocketServer(SocketConfig(**{"path": str(tmp_path / "s"), **settings}), HELLO)  # type: ignore[arg-type]
        server.open()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


class Visitor:
    """A client as anybody could write one."""

    def __init__(self, server: SocketServer) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(server.path))
        self.lines = self.socket.makefile("rb")
        self.hello = self.next()

    def next(self) -> messages.Message:
        return messages.decode(self.lines.readline())

    def ask(self, **what: object) -> messages.Message:
        self.socket.sendall(json.dumps(what).encode() + b"\n")
        return self.next()

    def last_words(self) -> list[messages.Message]:
        """What comes until the server ends the connection."""
        return [messages.decode(line) for line in self.lines]


def test_a_client_is_greeted_and_gets_events_at_once(serve: Serve) -> None:
    server = serve()
    visitor = Visitor(server)
    assert visitor.hello == HELLO
    server.emit(event(1))
    assert visitor.next() == event(1)


def test_a_subscription_replaces_what_a_client_gets(serve: Serve) -> None:
    server = serve()
    visitor = Visitor(server)
    assert visitor.ask(subscribe=["level", "status"]) == messages.Ack(
        subscribe=["level", "status"], labels=None, replay=0
    )
    server.emit(event())
    server.on_level(level())
    assert visitor.next() == level()
    server.on_status(status())
    assert visitor.next() == status()


def test_only_the_labels_that_were_asked_for_come(serve: Serve) -> None:
    server = serve()
    visitor = Visitor(server)
    visitor.ask(subscribe=["event"], labels=["siren"])
    server.emit(event(1, label="rain"))
    server.emit(event(2, label="siren"))
    assert visitor.next() == event(2, label="siren")


def test_labels_are_asked_for_as_they_are_reported_since_the_last_reload(serve: Serve) -> None:
    server = serve()
    server.on_hello(msgspec.structs.replace(HELLO, labels=["Rex"]))
    assert Visitor(server).ask(subscribe=["event"], labels=["Rex"]) == messages.Ack(
        subscribe=["event"], labels=["Rex"], replay=0
    )
    assert isinstance(Visitor(server).ask(subscribe=["event"], labels=["dog_bark"]), messages.Error)


def test_a_group_is_no_label_unless_it_is_both(serve: Serve) -> None:
    server = serve()
    server.on_hello(msgspec.structs.replace(HELLO, groups={"weather": ["rain"], "siren": ["siren", "rain"]}))
    assert "rain" in Visitor(server).ask(subscribe=["event"], labels=["weather"]).message
    assert isinstance(Visitor(server).ask(subscribe=["event"], labels=["siren"]), messages.Ack)


def test_replay_gives_the_last_events_of_those_labels_oldest_first(serve: Serve) -> None:
    server = serve()
    for number in range(9):
        server.emit(event(number, label="siren" if number % 2 else "rain"))
    visitor = Visitor(server)
    answer = visitor.ask(subscribe=["event"], labels=["siren"], replay=2)
    assert answer == messages.Ack(subscribe=["event"], labels=["siren"], replay=2)
    assert [visitor.next(), visitor.next()] == [event(5, label="siren"), event(7, label="siren")]


def test_replay_of_more_than_there_is_says_how_many_it_gives(serve: Serve) -> None:
    server = serve()
    server.emit(event())
    answer = Visitor(server).ask(subscribe=["event"], replay=1000)
    assert isinstance(answer, messages.Ack)
    assert answer.replay == 1


def test_a_command_is_done_and_answered_with_the_state(serve: Serve) -> None:
    server, controls = serve(), Controls(HELLO.labels, {}, HELLO.sources)
    server.set_controls(controls)
    watching, asking = Visitor(server), Visitor(server)
    watching.ask(subscribe=["status"])
    state = asking.ask(command="snooze", what="rain")
    assert state == messages.State(snoozed={"rain": None}, listening_for={}, thresholds={})
    assert watching.next() == state
    assert not controls.allows(event(label="rain"))
    assert asking.ask(command="wake", what="rain") == messages.State(snoozed={}, listening_for={}, thresholds={})


def test_a_command_that_makes_no_sense_is_refused_and_the_client_stays(serve: Serve) -> None:
    server = serve()
    server.set_controls(Controls(HELLO.labels, {}, HELLO.sources))
    visitor = Visitor(server)
    answer = visitor.ask(command="snooze", what="rian")
    assert isinstance(answer, messages.Refusal)
    assert "'rain'" in answer.message
    server.emit(event())
    assert visitor.next() == event()


def test_over_tcp_nobody_commands(serve: Serve) -> None:
    server = serve(tcp="127.0.0.1:0")
    server.set_controls(Controls(HELLO.labels, {}, HELLO.sources))
    with socket.create_connection(("127.0.0.1", server.port or 0), 10) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b'{"command":"state"}\n')
        assert messages.decode(lines.readline()) == messages.Refusal(
            message="commands are taken on the Unix socket only"
        )


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"hello?\n", "not a "),
        (b"\xff\xfe\x00\n", "not a "),
        (b'{"subscribe":["spectrogram"]}\n', "spectrogram"),
        (b'{"subscribe":["event"],"replay":"all"}\n', "replay"),
        (b'{"subscribe":["event"],"replay":-1}\n', "replay is -1"),
        (b'{"subscribe":["status"],"labels":["rian"]}\n', "'rain'"),
        (b'{"command":"stop"}\n', "not a command"),
        (b'{"token":5}\n', "not a "),
        (b"x" * 1_000_000, "16 KiB"),
        (b"x" * 70_000 + b"\n", "16 KiB"),
        (b"[" * 16_000 + b"\n", "not a "),
        (b'{"subscribe":[]}\n' * 5000, "answers are not read"),
    ],
)
def test_a_client_that_talks_nonsense_is_told_and_sent_away_alone(serve: Serve, sent: bytes, said: str) -> None:
    server = serve()
    good, bad = Visitor(server), Visitor(server)
    bad.socket.sendall(sent)
    (*_, last) = bad.last_words()
    assert isinstance(last, messages.Error)
    assert said in last.message
    server.emit(event())
    assert good.next() == event()


def test_a_client_gone_mid_line_is_told_and_sent_away_alone(serve: Serve) -> None:
    server = serve()
    good, bad = Visitor(server), Visitor(server)
    bad.socket.sendall(b'{"subscr')
    bad.socket.shutdown(socket.SHUT_WR)
    assert bad.last_words() == [messages.Error(message="the last line had no end")]
    server.emit(event())
    assert good.next() == event()


def test_a_client_that_asks_and_says_its_last_still_gets_the_answer(serve: Serve) -> None:
    server = serve()
    server.emit(event())
    visitor = Visitor(server)
    visitor.socket.sendall(b'{"subscribe":["event"],"replay":1}\n')
    visitor.socket.shutdown(socket.SHUT_WR)
    assert visitor.last_words() == [messages.Ack(subscribe=["event"], labels=None, replay=1), event()]


def test_a_client_that_closes_without_a_word_is_nobodys_trouble(serve: Serve) -> None:
    server = serve()
    for _ in range(20):
        gone = Visitor(server)
        gone.lines.close()
        gone.socket.close()
    good = Visitor(server)
    server.emit(event())
    assert good.next() == event()


def test_a_slow_client_loses_its_own_oldest_events_and_nobody_elses(serve: Serve) -> None:
    server = serve()
    slow, quick = Visitor(server), Visitor(server)
    numbers = range(3000)
    for number in numbers:
        server.emit(event(number))
        assert quick.next() == event(number)
    late = [slow.next()]
    while late[-1] != event(numbers[-1]):
        late.append(slow.next())
    assert late[0] == event(0)  # the system's own buffer came first
    assert late[-256:] == [event(number) for number in numbers[-256:]]
    assert len(late) < len(numbers)


def test_meters_never_push_out_events(serve: Serve) -> None:
    server = serve()
    slow, quick = Visitor(server), Visitor(server)
    for visitor in (slow, quick):
        visitor.ask(subscribe=["event", "level"])
    server.emit(event())
    for _ in range(5000):
        server.on_level(level())
    server.emit(event(1))
    seen = []
    while event(1) not in seen:
        seen.append(slow.next())
    assert event() in seen


def test_a_client_that_never_reads_is_disconnected_and_nobody_else(serve: Serve) -> None:
    server = serve(stall_s=0.2)
    deaf, good = Visitor(server), Visitor(server)
    number = 0
    while not deaf_is_gone(deaf):
        number += 1
        server.emit(event(number))
        assert good.next() == event(number)
    assert number > 256


def deaf_is_gone(deaf: Visitor) -> bool:
    """Whether its writing side has been closed by the server; nothing is read to find out."""
    try:
        deaf.socket.send(b"\n")
    except OSError:
        return True
    return False


def test_more_clients_than_can_be_served_are_told(serve: Serve) -> None:
    server = serve()
    visitors = [Visitor(server) for _ in range(256)]
    assert Visitor(server).hello == messages.Error(message="there are 256 clients already")
    server.emit(event())
    assert all(visitor.next() == event() for visitor in visitors)


def test_as_many_as_can_be_served_by_tcp_keep_nobody_of_this_machine_out(serve: Serve) -> None:
    server = serve(tcp="127.0.0.1:0")
    with ExitStack() as stack:
        greetings = []
        for _ in range(257):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            greetings.append(messages.decode(stack.enter_context(client.makefile("rb")).readline()))
        assert greetings == [HELLO] * 256 + [messages.Error(message="there are 256 clients already")]
        assert Visitor(server).hello == HELLO


class Door(socket.socket):
    """A door that remembers whom it let in."""

    def accept(self) -> tuple[socket.socket, object]:
        self.let_in, address = super().accept()
        return self.let_in, address


def test_a_client_on_tcp_that_is_no_more_is_noticed_within_a_minute() -> None:
    clients, ended = Clients("test", 60, lambda: messages.encode(HELLO), lambda _peer, _line: None), threading.Event()
    door = Door(socket.AF_INET)
    door.bind(("127.0.0.1", 0))
    door.listen()
    door.setblocking(False)
    clients.serve([door], Authenticator(b""), ended.set)
    with socket.create_connection(door.getsockname(), 10) as client:
        assert client.recv(1)
        assert door.let_in.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        idle_s, interval_s, count = (door.let_in.getsockopt(socket.IPPROTO_TCP, option) for option in options)
        assert idle_s + interval_s * count == 60
    clients.close()
    assert ended.is_set()


def test_what_waits_at_the_end_is_still_sent(serve: Serve) -> None:
    server = serve()
    visitor = Visitor(server)
    server.emit(event())
    server.close()
    assert visitor.last_words() == [event()]


def test_the_socket_is_for_the_group_and_gone_after_closing(serve: Serve) -> None:
    before = os.umask(0o077)
    try:
        server = serve()
    finally:
        os.umask(before)
    assert server.path.stat().st_mode & 0o777 == 0o660
    server.close()
    server.close()
    assert not server.path.exists()


def test_a_path_in_use_by_a_living_daemon_is_refused_with_its_pid(serve: Serve, tmp_path: Path) -> None:
    serve()
    with raises("socket-in-use", str(os.getpid())):
        SocketServer(SocketConfig(path=str(tmp_path / "s")), HELLO).open()


def test_the_refused_one_leaves_the_living_ones_socket_alone(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    refused = SocketServer(SocketConfig(path=str(tmp_path / "s")), HELLO)
    with pytest.raises(SinkError):
        refused.open()
    refused.close()
    assert Visitor(server).hello == HELLO


def test_the_socket_of_a_dead_daemon_is_taken_over(serve: Serve, tmp_path: Path) -> None:
    program = f"import socket; s = socket.socket(socket.AF_UNIX); s.bind({str(tmp_path / 's')!r}); s.listen()"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "s").is_socket()
    assert Visitor(serve()).hello == HELLO


def test_a_successors_socket_is_not_removed(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    (tmp_path / "s").unlink()
    second = serve()
    first.close()
    assert Visitor(second).hello == HELLO


def test_a_file_that_is_no_socket_is_not_touched(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with raises("socket-taken"):
        serve()
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.parametrize("path", ["no/such/folder/s", "x" * 200])
def test_a_path_that_cannot_be_made_is_an_error_with_the_remedy(tmp_path: Path, path: str) -> None:
    with raises("socket-unusable"):
        SocketServer(SocketConfig(path=str(tmp_path / path)), HELLO).open()


def test_without_a_path_the_runtime_folder_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    server = SocketServer(SocketConfig(), HELLO)
    server.open()
    try:
        assert (tmp_path / "run" / "listener.sock").is_socket()
    finally:
        server.close()


def test_tcp_serves_the_same(serve: Serve) -> None:
    server = serve(tcp="127.0.0.1:0")
    assert server.port
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection, connection.makefile("rb") as lines:
        assert messages.decode(lines.readline()) == HELLO
        connection.sendall(b"x" * 1_000_000)
        assert isinstance(messages.decode(lines.readline()), messages.Error)


def test_a_port_that_is_taken_is_an_error_and_the_path_is_left_clean(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with raises("socket-port-unusable", str(port)):
            serve(tcp=f"127.0.0.1:{port}")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("address", ["example.org:80", "127.0.0.1", "127.0.0.1:x", ":1", "127.0.0.1:99999"])
def test_what_is_no_address_and_port_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        SocketServer(SocketConfig(tcp=address), HELLO)


def test_it_can_be_opened_again(serve: Serve) -> None:
    server = serve()
    server.open()
    server.close()
    server.open()
    assert Visitor(server).hello == HELLO


def test_the_spectrogram_goes_to_those_who_asked_for_it_and_only_then_is_it_wanted(serve: Serve) -> None:
    server = serve()
    columns = messages.Spectrum(source="a", at_s=1, column_s=0.016, low_db=-70, high_db=20, mels=2, columns=b"\x01\xff")
    assert not server.wants_spectrum
    looking = Visitor(server)
    looking.ask(subscribe=["spectrum"])
    assert server.wants_spectrum
    server.on_spectrum(columns)
    assert looking.next() == columns


def test_what_waited_is_sent_before_the_answer_that_ends_it_and_what_is_unwanted_never() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = SocketClient(ours)
        for kind, line in (("status", b"how it is\n"), ("event", b"a dog\n"), ("event", b"a bell\n")):
            peer.offer(kind, line)
        peer.subscribe(frozenset({"level"}), None)
        peer.answer(b"as you wish\n")
        peer.offer("level", b"quiet\n")
        sent = [peer.next_line() for _ in range(5)]
    assert sent == [b"a dog\n", b"a bell\n", b"as you wish\n", b"quiet\n", b""]


def test_a_client_that_asks_and_never_reads_is_bounded_in_memory(serve: Serve) -> None:
    server, quiet = serve(stall_s=60), event(label="x" * 400)
    for _ in range(EVENTS):
        server.emit(quiet)
    visitor = Visitor(server)
    visitor.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with suppress(OSError):  # it is disconnected
        for _ in range(2000):
            visitor.socket.sendall(b'{"subscribe":["event"],"replay":256}\n')
    waiting = [client.waiting_bytes for client in server._clients._clients]
    assert sum(waiting) <= MAX_WAITING_BYTES


def test_wrong_lines_do_not_fill_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = serve()
    caplog.clear()
    for _ in range(20):
        Visitor(server).socket.sendall(b"wrong" * 1000 + b"\n")
    eventually(lambda: len(caplog.records) >= 1, "the first is logged")
    eventually(lambda: server.clients == 0 or len(caplog.records) == 1)
    assert len(caplog.records) == 1
    assert len(caplog.messages[0]) < 500
