"""Prometheus scrapes it over HTTP, and what it reads is what the daemon did."""

import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strictly_parsed
from prometheus_client.parser import text_string_to_metric_families as parsed

from listener import config as configuration
from listener.daemon.build import build_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.stream import Stream
from listener.errors import ConfigError, SinkError
from listener.messages import Event, Hello
from listener.pipeline.bundle import Bundle
from listener.routing.sink_worker import SinkBinding
from listener.sinks.prometheus import MAX_CONNECTIONS, Prometheus, PrometheusConfig
from tests.fakes import FakeClassifier, FakeSink, FakeSource, blocks, noise, pcm
from tests.raising import raises
from tests.sinks.messages import HELLO, event, level, status
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]

Serve = Callable[..., Prometheus]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Makes an open sink on any port."""
    sinks: list[Prometheus] = []

    def make(address: str = "127.0.0.1:0", hello: Hello = HELLO) -> Prometheus:
        sink = Prometheus(PrometheusConfig(address=address), hello)
        sinks.append(sink)
        sink.open()
        return sink

    yield make
    for sink in sinks:
        sink.close()


def fetched(sink: Prometheus, accept: str = "text/plain") -> str:
    request = Request(f"http://127.0.0.1:{sink.port}/metrics", headers={"Accept": accept})
    with urlopen(request, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


class Scrape:
    """What one scrape says."""

    def __init__(self, sink: Prometheus) -> None:
        self._samples = [sample for family in parsed(fetched(sink)) for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        (value,) = [s.value for s in self._samples if s.name == f"listener_{name}" and s.labels == labels]
        return value

    def series(self, name: str) -> list[dict[str, str]]:
        return [s.labels for s in self._samples if s.name == f"listener_{name}"]


def test_every_label_of_every_source_begins_with_no_event(serve: Serve) -> None:
    scrape = Scrape(serve(hello=msgspec.structs.replace(HELLO, sources=["kitchen", "hall"])))
    assert len(scrape.series("events_total")) == 6
    assert scrape("events_total", label="siren", source="hall") == 0
    assert scrape.series("info") == [{"version": "0.1.0", "model": "tiny", "provider": "cpu"}]


def test_an_event_is_counted_once_whichever_of_its_lines_come(serve: Serve) -> None:
    sink = serve()
    for phase in ("start", "update", "end"):
        sink.emit(event(1, phase=phase))
    sink.emit(event(2, phase="end"))
    sink.emit(event(3, phase=None))
    sink.emit(event(4, label="siren"))
    scrape = Scrape(sink)
    assert scrape("events_total", label="dog_bark", source="kitchen") == 3
    assert scrape("events_total", label="siren", source="kitchen") == 1


def test_events_whose_ends_are_filtered_out_are_not_remembered_for_ever(serve: Serve) -> None:
    sink = serve()
    for number in range(3000):
        sink.emit(event(number))
    assert Scrape(sink)("events_total", label="dog_bark", source="kitchen") == 3000


def test_the_status_is_shown_source_by_source(serve: Serve) -> None:
    sink = serve()
    sink.on_status(status(lost_s=1.5, waiting_s=0.3, level_dbfs=-31.0, peak_dbfs=-12.0, floor_dbfs=-60.0))
    sink.on_level(level())
    scrape = Scrape(sink)
    assert (scrape("uptime_seconds"), scrape("cpu_ratio")) == (3800.0, 0.02)
    figures = {
        "heard_seconds_total": 3725.0,
        "lost_seconds_total": 1.5,
        "waiting_seconds": 0.3,
        "gate_open_ratio": 0.12,
        "level_dbfs": -31.0,
        "peak_dbfs": -12.0,
        "floor_dbfs": -60.0,
    }
    assert {name: scrape(name, source="kitchen") for name in figures} == figures


def test_a_gate_without_a_floor_has_no_floor(serve: Serve) -> None:
    sink = serve()
    sink.on_status(status(floor_dbfs=None))
    assert Scrape(sink).series("floor_dbfs") == []


def test_of_the_states_of_a_source_one_is_set(serve: Serve) -> None:
    sink = serve()
    sink.on_status(status(state="recovering"))
    scrape = Scrape(sink)
    states = {labels["state"]: scrape("source_state", **labels) for labels in scrape.series("source_state")}
    assert states == {"waiting": 0, "listening": 0, "recovering": 1, "ended": 0}


def test_a_source_in_trouble_is_counted_as_one(serve: Serve) -> None:
    sink = serve()
    sink.on_status(status())
    assert Scrape(sink)("source_trouble", source="kitchen") == 0
    sink.on_status(status(trouble="only digital silence for 10 s"))
    assert Scrape(sink)("source_trouble", source="kitchen") == 1


def test_inference_is_a_histogram_in_seconds(serve: Serve) -> None:
    sink = serve()
    sink.on_status(status(inference_s=0.25, inference_le_ms={"1": 0, "5": 30, "100": 41, "inf": 42}))
    scrape = Scrape(sink)
    buckets = [(labels["le"], scrape("inference_seconds_bucket", **labels)) for labels in _buckets(scrape)]
    assert buckets == [("0.001", 0), ("0.005", 30), ("0.1", 41), ("+Inf", 42)]
    assert scrape("inference_seconds_count", source="kitchen") == 42
    assert scrape("inference_seconds_sum", source="kitchen") == 0.25


def _buckets(scrape: Scrape) -> list[dict[str, str]]:
    return scrape.series("inference_seconds_bucket")


def test_names_that_are_hard_to_write_come_back_as_they_were(serve: Serve) -> None:
    sink = serve()
    odd = 'the "old"\\kitchen\nupstairs'
    sink.emit(event(label=odd, source=odd))
    assert Scrape(sink)("events_total", label=odd, source=odd) == 1


def test_it_is_open_metrics_to_the_letter(serve: Serve) -> None:
    sink = serve()
    sink.on_status(status(inference_s=0.25, inference_le_ms={"1": 0, "inf": 42}))
    sink.emit(event())
    families = list(strictly_parsed(fetched(sink, "application/openmetrics-text; version=1.0.0")))
    assert {family.type for family in families} == {"info", "gauge", "counter", "histogram"}
    assert all(family.documentation for family in families)


def test_two_in_one_process_share_nothing(serve: Serve) -> None:
    first, second = serve(), serve()
    first.emit(event())
    counts = [Scrape(sink)("events_total", label="dog_bark", source="kitchen") for sink in (first, second)]
    assert counts == [1, 0]


def test_nobody_outside_this_machine_can_scrape_it_unless_asked_for() -> None:
    assert PrometheusConfig().address.startswith("127.0.0.1:")


def test_a_port_in_use_is_refused_with_the_remedy(serve: Serve) -> None:
    port = serve().port
    with raises("prometheus-address", str(port)):
        serve(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["", "9774", "127.0.0.1", "example.org:9774", "127.0.0.1:99999", "127.0.0.1:²"])
def test_an_address_that_is_none_says_how_one_looks(address: str) -> None:
    with pytest.raises(ConfigError):
        Prometheus(PrometheusConfig(address=address), HELLO)


def test_closed_it_is_gone_and_its_port_free_and_closing_twice_is_well(serve: Serve) -> None:
    sink = serve()
    port = sink.port
    sink.open()
    assert sink.port == port
    sink.close()
    sink.close()
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
    assert "listener_info" in fetched(serve(f"localhost:{port}"))


def test_a_client_that_says_nothing_keeps_nobody_from_scraping_or_closing(serve: Serve) -> None:
    sink = serve()
    with socket.create_connection(("127.0.0.1", sink.port or 0)):
        assert "listener_info" in fetched(sink)
        sink.close()


def test_without_its_library_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from listener.cli import main as cli\n"
        "sys.exit(cli.main(['run', '--path', 'listener/assets/demo.ogg', '--config', sys.argv[1]]))\n"
    )
    command = [sys.executable, "-c", code, "/dev/stdin"]
    text = '[[sink]]\nkind = "prometheus"\n'
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "pip install 'listener[prometheus]'" in done.stderr


def test_scraped_from_a_running_daemon_it_tells_what_that_did(serve: Serve, tiny: Bundle) -> None:
    def refuse(_: Event) -> None:
        raise SinkError("disk full")

    bang = noise(4, -70)
    bang[16_000:32_000] += noise(1, -12, seed=1)
    config, daemon, sink = configuration.load(None), Daemon(), serve()
    source = FakeSource(blocks(pcm(bang)), name="kitchen", then="wait")
    loop = build_pipeline(config, tiny, FakeClassifier(3), "kitchen")
    stream = Stream(source, loop, daemon.publish, daemon.ended)
    routes = [SinkBinding("metrics", sink), SinkBinding("failing", FakeSink(refuse))]
    thread = threading.Thread(target=daemon.run, args=([stream], routes))
    thread.start()
    try:
        eventually(lambda: Scrape(sink).series("heard_seconds_total") and _heard_s(sink) >= 3.9, "a status")
        scrape = Scrape(sink)
    finally:
        daemon.stop()
        thread.join()
    assert scrape("events_total", label="hiss", source="kitchen") == 1
    assert scrape("sink_lost_events_total", sink="failing") == 2
    assert scrape("sink_lost_events_total", sink="metrics") == 0
    assert scrape("sink_waiting_events", sink="failing") == 0
    assert scrape("source_state", source="kitchen", state="listening") == 1
    assert scrape("inference_seconds_count", source="kitchen") > 0


def _heard_s(sink: Prometheus) -> float:
    return Scrape(sink)("heard_seconds_total", source="kitchen")


def get(port: int | None, **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as err:
        return err.code


def test_a_web_page_of_another_host_cannot_read_it(serve: Serve) -> None:
    port = serve().port
    assert [get(port, Host=host) for host in ("localhost:1", f"127.0.0.1:{port}", "evil.example")] == [200, 200, 403]


def test_beyond_this_machine_it_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Prometheus(PrometheusConfig(address="0.0.0.0:0"), HELLO)
    (tmp_path / "token").write_text("0123456789abcdef")
    sink = Prometheus(PrometheusConfig(address="0.0.0.0:0", token_file=str(tmp_path / "token")), HELLO)
    sink.open()
    tokens = ("Bearer 0123456789abcdef", "Bearer x", "")
    assert [get(sink.port, Host="any.example", Authorization=token) for token in tokens] == [200, 401, 401]
    sink.close()


def test_connections_are_bounded_and_silent_ones_do_not_keep_a_scrape_out(serve: Serve) -> None:
    sink = serve()
    before = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", sink.port or 0), 10) for _ in range(10 * MAX_CONNECTIONS)]
    assert get(sink.port) == 200
    eventually(lambda: threading.active_count() - before <= 2 * MAX_CONNECTIONS + 2, "the oldest are ended")
    for connection in silent:
        connection.close()
