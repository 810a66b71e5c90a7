"""Lines on the socket: from a client that is a stranger to the daemon, and from a daemon that is one to the client."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from listener import messages as wire
from listener.routing.controls import Controls
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.sinks.messages import HELLO, event, level, status

Take = Callable[[bytes], object]

PATIENCE_S = 10.0
LAST = b'{"command":"state"}'
SUBSCRIPTIONS = [
    b'{"subscribe":["event","level"],"labels":["siren"],"replay":5}',
    b'{"subscribe":["status"]}',
    b'{"subscribe":[],"labels":null}\n\n{"command":"state"}',
]


@contextmanager
def server(scratch: Path) -> Iterator[Take]:
    """A real server on a real socket; each input is a client, which asks for the state last."""
    door = SocketServer(SocketConfig(path=str(scratch / "s")), HELLO)
    door.set_controls(Controls(HELLO.labels, {"alarm": ["siren"]}, HELLO.sources))
    door.open()

    def take(lines: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(str(door.path))
            client.sendall(lines + b"\n" + LAST + b"\n")
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answers:
                messages = [wire.decode(line) for line in answers]
        door.emit(event())  # raises where the server's thread has failed
        assert isinstance(messages[0], wire.Hello)
        assert isinstance(messages[-1], wire.State | wire.Error)

    with closing(door):
        yield take


@contextmanager
def client(_scratch: Path) -> Iterator[Take]:
    """What `listener tail` makes of a line: ValueError where it is none of ours."""

    def take(line: bytes) -> None:
        try:
            wire.decode(line)
        except ValueError:
            return

    yield take


def lines() -> list[bytes]:
    """Each kind that a daemon sends."""
    ack = wire.Ack(subscribe=["event"], labels=None, replay=0)
    return [wire.encode(message).strip() for message in (HELLO, event(), level(), status(), ack)]
