"""A display that follows a daemon: what it asks, what it leaves out, and how it comes back."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from listener.client import Client
from listener.errors import SinkError
from listener.messages import Command
from listener.routing.controls import Controls
from listener.sinks.socket.sink import SocketConfig, SocketServer
from listener.tui.attachment import Attachment
from listener.tui.display import LiveDisplay
from tests.sinks.messages import HELLO, event, status
from tests.tui.test_display import FakeCanvas, FakeKeyboard
from tests.waiting import eventually


def served(folder: Path) -> SocketServer:
    """A daemon's socket that can be steered."""
    server = SocketServer(SocketConfig(path=str(folder / "s"), tcp="127.0.0.1:0"), HELLO)
    server.set_controls(Controls(HELLO.labels, {}, HELLO.sources))
    server.open()
    return server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SocketServer]:
    daemon = served(tmp_path)
    yield daemon
    daemon.close()


class Following:
    """An attachment at work."""

    def __init__(self, address: str) -> None:
        self.attachment = Attachment(Client(address))
        self.display = LiveDisplay(canvas=FakeCanvas(), keyboard=FakeKeyboard())
        self.thread = threading.Thread(target=self.attachment.feed, args=(self.display,))
        self.thread.start()

    def meets(self, server: SocketServer) -> None:
        """Wait until it hears what this daemon says."""

        def heard() -> bool:
            server.on_status(status())
            return self.display.scene.absence is None and self.display.scene.status == status()

        eventually(heard, "a status")

    def end(self) -> None:
        self.attachment.end()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_what_users_have_changed_is_asked_for_at_once(server: SocketServer) -> None:
    Client(f"unix:{server.path}").command(Command(command="threshold", what="rain", on=0.25))
    following = Following(f"unix:{server.path}")
    following.meets(server)
    eventually(lambda: following.display.scene.threshold("rain") == 0.25, "the threshold")
    following.end()


def test_over_tcp_a_refusal_is_only_shown_of_what_was_asked(server: SocketServer) -> None:
    following = Following(f"tcp:127.0.0.1:{server.port}")
    following.meets(server)
    server.emit(event())
    eventually(lambda: following.display.scene.events, "an event, which comes after the refusal")
    assert following.display.scene.notice == ""
    following.attachment.send(Command(command="snooze", what="rain"))
    eventually(lambda: "refused" in following.display.scene.notice, "the refusal")
    following.end()


def test_it_comes_back_to_the_next_daemon_with_what_it_has(server: SocketServer, tmp_path: Path) -> None:
    following = Following(f"unix:{server.path}")
    following.meets(server)
    server.emit(event())
    eventually(lambda: following.display.scene.events, "an event")
    server.close()
    eventually(lambda: following.display.scene.absence, "the absence")
    with pytest.raises(SinkError):
        following.attachment.send(Command(command="snooze", what="rain"))
    successor = served(tmp_path)
    following.meets(successor)
    assert list(following.display.scene.events) == ["e0"]
    following.end()
    successor.close()


def test_it_can_be_ended_while_it_waits(tmp_path: Path) -> None:
    following = Following(f"unix:{tmp_path / 'nobody'}")
    eventually(lambda: following.display.scene.absence, "the absence")
    following.end()


def test_what_is_no_listener_ends_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "s"))
        door.listen()
        attachment = Attachment(Client(f"unix:{tmp_path / 's'}"))
        answered = threading.Thread(
            target=lambda: door.accept()[0].sendall(b'{"type":"ack","subscribe":[],"labels":null,"replay":0}\n')
        )
        answered.start()
        with pytest.raises(SinkError) as raised:
            attachment.feed(LiveDisplay(canvas=FakeCanvas(), keyboard=FakeKeyboard()))
        answered.join()
    assert raised.value.code == "client-stranger"
