"""All sinks under a hundred events a second, with fifty clients: losses and slow-down."""

import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.plan import Plan
from bench.rows import BenchError, Row
from listener.base.registry import sink
from listener.client import Client
from listener.errors import ListenerError
from listener.messages import Event, Hello
from listener.pipeline import bundle as bundles
from listener.pipeline.classifier import Classifier
from listener.pipeline.values import ClipContext, Features, Span
from listener.routing.sink_worker import SinkBinding, SinkWorker
from listener.storage.history import Query, Reader

CLIENTS = 50
RATE_HZ = 100
DRAIN_S = 20.0
HOP_S = 0.5
MOST_SLOWER = 1.5  # allowed slow-down of the median clip
LIMITED = ("command", "webhook")  # may drop events, but must count them

HELLO = Hello(
    version="bench", pid=os.getpid(), model="bench", provider="cpu", labels=["siren"], thresholds={"siren": 0.5},
    groups={"alarm": ["siren"]}, sources=["bench"],
)  # fmt: skip


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the losses of each sink and the slow-down of a clip."""
    count = int(RATE_HZ * plan.sizes.load_s)
    clips = _Clips(plan)
    with ExitStack() as stack:
        os.environ["STATE_DIRECTORY"] = str(plan.scratch / "state")
        stack.callback(os.environ.pop, "STATE_DIRECTORY")
        outlets = {name: stack.enter_context(_open(name, config)) for name, config in _sinks(plan, stack).items()}
        clients = [stack.enter_context(_reading(plan.scratch / "s")) for _ in range(CLIENTS)]
        before = clips.take(quiet_s=min(10.0, plan.sizes.load_s))
        feeding = threading.Thread(target=_feed, args=(list(outlets.values()), count), name="bench events")
        feeding.start()
        during = clips.take(while_alive=feeding)
        _until_drained(outlets)
        least = min(_settled(client, count) for client in clients)
    kept = len(list(Reader(plan.scratch / "h.db").rows(Query())))
    yield Row("load: events to each of 50 clients, the worst off", least / count, "", 1.0, True, f"{least} of {count}")
    yield Row("load: events kept in the history", kept / count, "", 1.0, True, f"{kept} of {count}")
    for name, outlet in outlets.items():
        limited = name in LIMITED
        note = f"{outlet.lost} lost" + (": it has limits of its own, and counts" if limited else "")
        share = 1 - outlet.lost / count
        yield Row(f"load: events that {name} delivered", share, "", None if limited else 1.0, at_least=True, note=note)
    slower = median(during) / median(before)
    note = f"median {1000 * median(before):.1f} ms before, {1000 * median(during):.1f} ms during"
    yield Row("load: a clip takes, times as long", slower, "x", MOST_SLOWER, note=note)


class _Clips:
    """Runs the model twice a second, as a daemon does."""

    def __init__(self, plan: Plan) -> None:
        loaded = bundles.load(bundles.find(plan.bundle))
        spec = loaded.features
        self._classify = Classifier(loaded, "cpu").stream()
        span = Span(0, spec.clip_samples)
        noise = np.random.default_rng(0).standard_normal((spec.mels, spec.columns), dtype=np.float32)
        self._features = Features(span, noise, ClipContext(span, -30.0))

    def take(self, quiet_s: float = 0.0, while_alive: threading.Thread | None = None) -> list[float]:
        """Return the seconds per clip, for a time or while a thread lives."""
        took = []
        until = time.monotonic() + quiet_s
        while time.monotonic() < until or (while_alive is not None and while_alive.is_alive()):
            began = time.perf_counter()
            self._classify(self._features)
            took.append(time.perf_counter() - began)
            time.sleep(HOP_S)
        return took


def _sinks(plan: Plan, stack: ExitStack) -> dict[str, dict[str, Any]]:
    """The settings of every sink that can run here."""
    sinks: dict[str, dict[str, Any]] = {
        "socket": {"path": str(plan.scratch / "s")},
        "history": {"path": str(plan.scratch / "h.db")},
        "prometheus": {"address": f"127.0.0.1:{_free_port()}"},
        "command": {"run": ("true",)},
        "webhook": {"url": f"http://127.0.0.1:{stack.enter_context(_receiver())}/"},
    }
    if broker := shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin"):
        sinks["mqtt"] = {"port": stack.enter_context(_broker(broker)), "discovery": False}
    return sinks


@contextmanager
def _open(name: str, settings: dict[str, Any]) -> Iterator[SinkWorker]:
    factory = sink(name)
    outlet = SinkWorker(SinkBinding(name, factory(factory.Config(**settings), HELLO)), lambda: None)
    outlet.open()
    try:
        yield outlet
    finally:
        outlet.finish()
        outlet.thread.join(DRAIN_S)


@contextmanager
def _reading(path: Path) -> Iterator[list[Event]]:
    """Read every line of a client into a list."""
    client, heard, greeted = Client(f"unix:{path}"), list[Event](), threading.Event()

    def read() -> None:
        try:
            for message in client.receive():
                greeted.set()
                if isinstance(message, Event):
                    heard.append(message)
        except ListenerError:
            return

    reader = threading.Thread(target=read, name="bench client", daemon=True)
    reader.start()
    if not greeted.wait(DRAIN_S):
        raise BenchError("a client of the socket was not greeted")
    try:
        yield heard
    finally:
        client.close()
        reader.join(DRAIN_S)


@contextmanager
def _receiver() -> Iterator[int]:
    """Start an HTTP server that accepts everything. Yields its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def _broker(program: str) -> Iterator[int]:
    port = _free_port()
    broker = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        broker.terminate()
        broker.wait(DRAIN_S)


def _feed(outlets: list[SinkWorker], count: int) -> None:
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / RATE_HZ - time.monotonic()))
        for outlet in outlets:
            outlet.offer(_event(number))


def _event(number: int) -> Event:
    """An event that ends at once."""
    return Event(
        id=f"load-{number}", seq=0, phase="end", label="siren", score=0.9, peak=0.9, start=None, end=None,
        start_s=float(number), end_s=number + 1.0, detected_s=number + 0.5, source="bench", level_dbfs=-20.0,
        model="bench", top={},
    )  # fmt: skip


def _until_drained(outlets: dict[str, SinkWorker]) -> None:
    deadline = time.monotonic() + DRAIN_S
    while any(outlet.waiting for outlet in outlets.values()) and time.monotonic() < deadline:
        time.sleep(0.05)


def _settled(client: list[Event], count: int) -> int:
    """The number of events that a client received, once no more arrive."""
    deadline = time.monotonic() + DRAIN_S
    while len(client) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return len({event.id for event in client})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
