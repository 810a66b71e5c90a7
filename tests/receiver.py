"""An HTTP server that takes, refuses, hangs, floods and breaks off, as it is told to."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.waiting import eventually

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """A receiver. Each request meets the next behaviour; the last one stays."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *behaviours: Behaviour, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.behaviours = list(behaviours)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.at: list[float] = []
        self.released = threading.Event()  # ends what hangs
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cret?key=s3cret"

    @property
    def ids(self) -> list[str]:
        """Of the events that came, in their order, as often as they came."""
        return [json.loads(body)["id"] for _, _, body in self.requests]

    def heard(self, count: int) -> None:
        """Return when so many requests came."""
        eventually(lambda: len(self.requests) >= count, f"{count} requests came, {len(self.requests)} did")

    def end(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        behaviours = self.server.behaviours
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        self.server.at.append(time.monotonic())
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        try:
            behaviour(self)
        except OSError:  # the other side has gone, as it should from a flood
            self.close_connection = True

    def do_GET(self) -> None:
        raise AssertionError("a redirect was followed")

    def log_message(self, *_: object) -> None:
        """Nothing: the log is what tests look at."""


def answers(status: int, **headers: str) -> Behaviour:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", "2")
        request.end_headers()
        request.wfile.write(b"ok")

    return behave


def hangs(request: BaseHTTPRequestHandler) -> None:
    assert isinstance(request.server, Server)
    request.server.released.wait(30)
    request.close_connection = True


def trickles(request: BaseHTTPRequestHandler) -> None:
    """A header that never ends, a byte at a time: each of them is in time."""
    assert isinstance(request.server, Server)
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not request.server.released.wait(0.05):
        request.wfile.write(b"x")
        request.wfile.flush()


def floods(request: BaseHTTPRequestHandler) -> None:
    """A body of a gigabyte, as fast as it is taken; notes how much of it was."""
    assert isinstance(request.server, Server)
    request.send_response(200)
    request.send_header("content-length", str(1 << 30))
    request.end_headers()
    for number in range(1 << 14):
        request.server.flooded = number << 16  # type: ignore[attr-defined]
        request.wfile.write(bytes(1 << 16))


def breaks_off(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
