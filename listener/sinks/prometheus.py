"""Metrics for Prometheus, served over HTTP."""

import hmac
import logging
import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from listener import messages
from listener.base import addresses, credentials
from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import ConfigError, SinkError
from listener.messages import SourceState
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink, SinkConfig

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)

SCRAPE_S = 10.0  # time limit for a whole request and its answer
MAX_CONNECTIONS = 8  # at a time; one more ends the oldest
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")

Sample = tuple[Sequence[str], float]  # label values and number


class PrometheusConfig(SinkConfig, frozen=True):
    """Metrics for Prometheus."""

    address: Annotated[
        str,
        Meta(description="where /metrics is served; any other address than loopback needs token_file; port 0: any"),
    ] = "127.0.0.1:9774"
    token_file: Annotated[
        str, Meta(description="file with the token that scrapers must send; or the name of a systemd credential")
    ] = ""


class Prometheus(BaseSink):
    """Metrics for Prometheus, over HTTP: audio processed and lost, events by label, inference time, sinks, microphones.

    They are those of the daemon's latest status, once a second, and a count of events. The registry is separate from
    that of other users of prometheus_client in this process.

    Raises:
        ConfigError: The address is wrong, or lets other machines in without a token; or prometheus_client is missing.
    """

    Config = PrometheusConfig

    def __init__(self, config: PrometheusConfig, hello: messages.Hello) -> None:
        _library()
        self._config, example = config, "127.0.0.1:9774"
        self._address = addresses.parse_listen_address(
            config.address, "address", example, guarded=bool(config.token_file)
        )
        self._figures = _Figures(hello)
        self._server: _Server | None = None

    @property
    def port(self) -> int | None:
        """The port that it is served on, once it is open."""
        return self._server.server_port if self._server else None

    @property
    def requirements(self) -> Requirements:
        secrets = {"token_file": self._config.token_file} if self._config.token_file else {}
        return Requirements(binds=(self._address,), secrets=secrets, secret_min_chars=credentials.MIN_TOKEN_CHARS)

    def open(self) -> None:
        if self._server is not None:
            return
        host, port = self._address
        token = credentials.check_length("token_file", credentials.token("token_file", self._config.token_file))
        try:
            self._server = _Server(host, port)
        except OSError as err:
            problem, remedy = f"{host}:{port} cannot be used ({err.strerror})", "Set address to another port."
            raise SinkError(problem, code="prometheus-address", remedy=remedy) from err
        self._server.set_app(_Guarded(_application(self._figures), token))
        threading.Thread(target=self._server.serve_forever, name="prometheus", daemon=True).start()
        log.info("metrics on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, self._server.server_port)

    def on_hello(self, hello: messages.Hello) -> None:
        """Count the events of new labels, too."""
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
    """A custom collector, which prometheus_client calls at each scrape."""

    def __init__(self, hello: messages.Hello) -> None:
        self.status: messages.Status | None = None  # replaced whole, by the daemon's thread
        self._about = {"version": hello.version, "model": hello.model, "provider": hello.provider}
        self._events: dict[tuple[str, str], int] = {}
        self._first = FirstSeen()
        self._lock = threading.Lock()  # one thread counts, others scrape
        self.on_hello(hello)

    def on_hello(self, hello: messages.Hello) -> None:
        """Initialise counters to 0, because `increase()` of PromQL ignores the first sample of a series."""
        with self._lock:
            self._events = {(label, source): 0 for label in hello.labels for source in hello.sources} | self._events

    def count(self, event: messages.Event) -> None:
        """Count each event once, at the first of its lines: a filter may drop any of them."""
        with self._lock:
            if self._first(event):
                key = event.label, event.source
                self._events[key] = self._events.get(key, 0) + 1

    def collect(self) -> "Iterator[Metric]":
        """Yield all metrics."""
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
    yield _gauge("source_trouble", "1 while the audio of a source is silent, overloaded or lost", of, troubles)
    yield _counter("heard_seconds", "Audio that went through the pipeline", of, each("heard_s"))
    yield _counter("lost_seconds", "Audio that did not", of, each("lost_s"))
    yield _gauge("waiting_seconds", "Audio that was captured and waits to be processed", of, each("waiting_s"))
    yield _gauge("gate_open_ratio", "Share of the audio for which the gate was open", of, each("gate_duty"))
    yield _gauge("level_dbfs", "Level now", of, each("level_dbfs"))
    yield _gauge("peak_dbfs", "Level of the loudest 20 ms in the last second", of, each("peak_dbfs"))
    yield _gauge("floor_dbfs", "The level of the room, as the gate estimates it", of, each("floor_dbfs"))
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
    """Import prometheus_client, which is an optional dependency."""
    try:
        return import_module("prometheus_client")
    except ImportError as err:
        problem, remedy = f"prometheus_client is missing ({err})", "Install it with: pip install 'listener[prometheus]'"
        raise ConfigError(problem, code="prometheus-library", remedy=remedy) from err


def _application(figures: _Figures) -> Any:
    """Return the WSGI application that answers a scrape."""
    library = _library()
    registry = library.CollectorRegistry()
    registry.register(figures)
    return library.make_wsgi_app(registry)


class _Guarded:
    """Lets only the token pass, or without one only requests to this machine, against DNS rebinding by a web page."""

    def __init__(self, application: Any, token: bytes) -> None:
        self._application, self._token = application, token

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if self._token:
            sent = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
            if not hmac.compare_digest(sent, b"Bearer " + self._token):
                start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer")])
                return []
        elif re.sub(r":\d*$", "", environ.get("HTTP_HOST", "localhost")).lower() not in LOCAL_HOSTS:
            start_response("403 Forbidden", [])
            return []
        return self._application(environ, start_response)


class _Handler(WSGIRequestHandler):
    timeout = SCRAPE_S

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: there are many scrapes, all alike."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A server with a bounded number of connections, each with a deadline."""

    daemon_threads = True
    block_on_close = False  # a running scrape does not delay the end of the daemon

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections: dict[socket.socket, threading.Timer] = {}  # the oldest first
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the name look-up of the standard library, which may take long."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)  # out of descriptors: the client is still there, and must not keep the thread busy
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread. It is shut down at its deadline, or if there are too many."""
        timer = threading.Timer(SCRAPE_S, _shut_down, [request])
        timer.daemon = True
        with self._lock:
            surplus = list(self._connections)[: max(0, len(self._connections) - MAX_CONNECTIONS + 1)]
            self._connections[request] = timer
        for connection in surplus:
            _shut_down(connection)
        timer.start()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            timer = self._connections.pop(request, None)
        if timer is not None:
            timer.cancel()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log a scrape that failed: the scraper has gone, usually."""
        log.debug("prometheus: a scrape by %s failed", client_address, exc_info=True)  # noqa: LOG014 - an exception is handled


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
