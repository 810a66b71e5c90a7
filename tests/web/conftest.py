"""A daemon's real socket, and the page's real server beside it."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import httpx
import msgspec
import pytest

pytest.importorskip("starlette", reason="no starlette here (pip install 'listener[web]')")
pytest.importorskip("uvicorn", reason="no uvicorn here (pip install 'listener[web]')")

from listener.client import Client
from listener.doctor.finding import Finding, Severity
from listener.errors import ConfigError
from listener.messages import Hello
from listener.routing.controls import Controls
from listener.sinks.socket.sink import SocketConfig, SocketServer
from listener.storage.history import History
from listener.tuning.save_result import SaveResult
from listener.web import app
from listener.web import server as web_server
from tests.sinks.messages import HELLO, event, status
from tests.waiting import eventually

Start = Callable[..., str]
GREETING = msgspec.structs.replace(HELLO, groups={"animals": ["dog_bark"]})
FINDINGS = [
    Finding("model", Severity.OK, "model-on-cpu", "runs on cpu"),
    Finding("devices", Severity.PROBLEM, "device-none", "no input device", "Connect a microphone."),
]


class Daemon:
    """A socket as a daemon has it, with controls, telling its status now and then."""

    def __init__(self, path: Path) -> None:
        self.socket = SocketServer(SocketConfig(path=str(path)), GREETING)
        self.controls = Controls(GREETING.labels, GREETING.groups, GREETING.sources)
        self.status = status()
        self.socket.set_controls(self.controls)
        self.socket.open()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell)
        self._thread.start()

    def _tell(self) -> None:
        while not self._ended.wait(0.05):
            self.socket.on_status(self.status)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self.socket.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path / "s")
    yield running
    running.end()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A history of a hundred events, a minute from each other, the last a moment ago; each third is a siren's."""
    path = tmp_path / "history.db"
    history = History(path, keep_days=3650, max_mb=100)
    history.open()
    now = time.time()
    for number in range(100):
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60 * (100 - number)))
        label = "siren" if number % 3 == 0 else "dog_bark"
        line = event(number, label=label, phase="end", start=began, end=began, end_s=14.0, peak=number / 100)
        history.record(line)
    history.close()
    return path


class Impatient(web_server.HttpConnection):
    """A connection that waits less long, for tests."""

    request_s = 3.0
    blocked_s = 1.0


def save(_client: Client, hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    """Save nowhere."""
    return SaveResult({label: {"on": on} for label, on in thresholds.items()}, why=f"{hello.model} is a test.")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Serves the page of the daemon at the test's socket; its address."""
    servers = []

    def started(
        token: bytes = b"", names: tuple[str, ...] = (), examine: Callable[[], Iterable[Finding]] = lambda: FINDINGS
    ) -> str:
        def history() -> Path:
            path = tmp_path / "history.db"
            if not path.exists():
                raise ConfigError("no history", code="test-no-history")
            return path

        backends = app.Backends(lambda: Client(f"unix:{tmp_path / 's'}"), history, examine, save)
        server = web_server.server(app.make(backends, names, token), Impatient)
        listening = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        servers.append((server, thread, listening))
        eventually(lambda: server.started, "the page is served")
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield started
    for server, thread, listening in servers:
        server.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def page(start: Start) -> Iterator[httpx.Client]:
    """A browser without a picture."""
    with browser(start()) as client:
        yield client


def browser(url: str, **headers: str) -> httpx.Client:
    """What asks for pages as a browser would whose page is at the address."""
    return httpx.Client(base_url=url, headers={"Origin": url, **headers}, timeout=20, trust_env=False)
