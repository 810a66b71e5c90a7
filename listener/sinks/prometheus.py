"""Counts and gauges for Prometheus, to be scraped over HTTP."""

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from listener import messages
from listener.base import addresses
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import ConfigError, SinkError
from listener.messages import SourceState
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)

SCRAPE_S = 10.0  # so long one scrape may take

Sample = tuple[Sequence[str], float]  # the values of the labels, and the number


class PrometheusConfig(Section, frozen=True):
    """Metrics for Prometheus."""

    address: Annotated[
        str,
        Meta(
            description="where http://…/metrics is served; another than loopback, as 0.0.0.0:9774, lets whoever"
            " reaches this machine read what is heard; port 0: any"
        ),
    ] = "127.0.0.1:9774"


class Prometheus(BaseSink):
    """Metrics for Prometheus, over HTTP: audio heard and lost, events by label, inference time, sinks, microphones.

    What it shows is the daemon's latest status, once a second, and its own count of events. It shares nothing with
    other users of prometheus_client in this process.
    """

    Config = PrometheusConfig

    def __init__(self, config: PrometheusConfig, hello: messages.Hello) -> None:
        _library()
        self._address = addresses.parse_address(config.address, "prometheus.address", "127.0.0.1:9774")
        self._figures = _Figures(hello)
        self._server: _Server | None = None

    @property
    def port(self) -> int | None:
        """Where it is served, once it is open."""
        return self._server.server_port if self._server else None

    @property
    def requirements(self) -> Requirements:
        return Requirements(binds=(self._address,))

    def open(self) -> None:
        if self._server is not None:
            return
        host, port = self._address
        try:
            self._server = _Server(host, port)
        except OSError as err:
            raise SinkError(
                f"prometheus: {host}:{port} is not to be had ({err.strerror}); set address to another port"
            ) from err
        self._server.set_app(_application(self._figures))
        threading.Thread(target=self._server.serve_forever, name="prometheus", daemon=True).start()
        log.info("metrics on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, self._server.server_port)

    def on_hello(self, hello: messages.Hello) -> None:
        """Count the events of labels that are new, too."""
        self._figures.on_hello(hello)

    def emit(self, event: messages.Event) -> None:
        self._figures.count(event)

    def on_status(self, status: messages.Status) -> None:
        """Keep the status for the next scrape."""
        self._figures.status = status

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Figures:
    """A custom collector: what prometheus_client asks at each scrape."""

    def __init__(self, hello: messages.Hello) -> None:
        self.status: messages.Status | None = None  # replaced whole, by the daemon's thread
        self._about = {"version": hello.version, "model": hello.model, "provider": hello.provider}
        self._events: dict[tuple[str, str], int] = {}
        self._first = FirstSeen()
        self._lock = threading.Lock()  # guards the events: one thread counts, others scrape
        self.on_hello(hello)

    def on_hello(self, hello: messages.Hello) -> None:
        """From nought: `increase()` does not see the first event of a series that begins with it."""
        with self._lock:
            self._events = {(label, source): 0 for label in hello.labels for source in hello.sources} | self._events

    def count(self, event: messages.Event) -> None:
        """Each event once, at the first of its lines that comes: a filter may leave out any of them."""
        with self._lock:
            if self._first(event):
                key = event.label, event.source
                self._events[key] = self._events.get(key, 0) + 1

    def collect(self) -> "Iterator[Metric]":
        """Every metric, as of now."""
        from prometheus_client.core import InfoMetricFamily

        yield InfoMetricFamily("listener", "The program and its model", self._about)
        with self._lock:
            events = list(self._events.items())
        yield _counter("events", "Events", ("label", "source"), events)
        if self.status is not None:
            yield from _of_the_daemon(self.status)
            yield from _of_the_sources(self.status.sources)


def _of_the_daemon(status: messages.Status) -> "Iterator[Metric]":
    yield _gauge("uptime_seconds", "Since the daemon started", (), [((), status.uptime_s)])
    yield _gauge("cpu_ratio", "Share of one core in the last second", (), [((), status.cpu)])
    waiting = [((name,), number) for name, number in status.waiting.items()]
    yield _gauge("sink_waiting_events", "Events that wait for a sink", ("sink",), waiting)
    lost = [((name,), number) for name, number in status.sinks.items()]
    yield _counter("sink_lost_events", "Events that a sink failed to deliver, or was too slow for", ("sink",), lost)


def _of_the_sources(sources: dict[str, messages.SourceStatus]) -> "Iterator[Metric]":
    def each(field: str) -> list[Sample]:
        numbers = {name: getattr(source, field) for name, source in sources.items()}
        return [((name,), number) for name, number in numbers.items() if number is not None]

    of = ("source",)
    states = [
        ((name, state), float(source.state == state)) for name, source in sources.items() for state in SourceState
    ]
    yield _gauge("source_state", "1 for the state in which a source is", ("source", "state"), states)
    troubles = [((name,), float(bool(source.trouble))) for name, source in sources.items()]
    yield _gauge("source_trouble", "1 while what a source gives is silence, clipped or lost", of, troubles)
    yield _counter("heard_seconds", "Audio that went through the pipeline", of, each("heard_s"))
    yield _counter("lost_seconds", "Audio that did not", of, each("lost_s"))
    yield _gauge("waiting_seconds", "Audio that was captured and waits to be heard", of, each("waiting_s"))
    yield _gauge("gate_open_ratio", "Share of the heard audio for which the gate was open", of, each("gate_duty"))
    yield _gauge("level_dbfs", "Level now", of, each("level_dbfs"))
    yield _gauge("peak_dbfs", "Level of the loudest 20 ms in the last second", of, each("peak_dbfs"))
    yield _gauge("floor_dbfs", "What the gate takes for the room", of, each("floor_dbfs"))
    yield _inference(sources)


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Sequence[Sample]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"listener_{name}", meaning, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _counter(name: str, meaning: str, labels: Sequence[str], samples: Sequence[Sample]) -> "Metric":
    """The library adds `_total` to the name."""
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"listener_{name}", meaning, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _inference(sources: dict[str, messages.SourceStatus]) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "listener_inference_seconds", "Front end and model, for one clip", labels=("source",)
    )
    for name, source in sources.items():
        buckets = [(_le(ms), float(clips)) for ms, clips in source.inference_le_ms.items()]
        if buckets:
            family.add_metric((name,), buckets, source.inference_s)
    return family


def _le(ms: str) -> str:
    return "+Inf" if ms == "inf" else str(float(ms) / 1000)


def _library() -> Any:
    """prometheus_client, which only those who want metrics need."""
    try:
        return import_module("prometheus_client")
    except ImportError as err:
        raise ConfigError(f"prometheus: needs prometheus_client ({err}); pip install 'listener[prometheus]'") from err


def _application(figures: _Figures) -> Any:
    """The WSGI application that answers a scrape, over a registry of its own."""
    library = _library()
    registry = library.CollectorRegistry()
    registry.register(figures)
    return library.make_wsgi_app(registry)


class _Handler(WSGIRequestHandler):
    timeout = SCRAPE_S  # a client that says nothing does not keep its thread for ever

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: scrapes are many and alike."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False  # a scrape under way does not keep the daemon from ending

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the name look-up of the standard library's, which may take as long as DNS does."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)  # out of descriptors: it will knock again at once, and must not keep us busy
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A scraper that has gone is no trouble of ours."""
        log.debug("prometheus: a scrape by %s failed", client_address, exc_info=True)  # noqa: LOG014 - called while it is handled
