"""What the daemon says reaches every page that is open, once, and pages cost the daemon nothing while none is."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from listener.client import Client
from listener.doctor.finding import Finding
from listener.web import app
from listener.web.daemon_link import Disconnected
from listener.web.hub import PAGES, Hub
from tests.sinks.messages import event, level
from tests.waiting import eventually
from tests.web.conftest import FINDINGS, Daemon, Start, browser, save
from tests.web.stream import Stream, asked_and_gone, opened


@pytest.mark.usefixtures("daemon")
def test_a_page_is_told_who_the_daemon_is_what_was_changed_and_how_it_is(page: httpx.Client) -> None:
    with opened(page) as stream:
        told = {message["type"] for message in stream.until(lambda message: message["type"] == "status")}
    assert {"hello", "state", "status"} <= told


def test_an_event_arrives(daemon: Daemon, page: httpx.Client) -> None:
    with opened(page) as stream:
        daemon.socket.emit(event(1))
        assert stream.event()["id"] == "e1"


def test_a_page_that_comes_back_gets_what_it_missed_and_nothing_twice(daemon: Daemon, page: httpx.Client) -> None:
    with opened(page) as stream:
        daemon.socket.emit(event(1))
        stream.event()
        last = stream.last
    with opened(page) as other:
        daemon.socket.emit(event(2))
        other.until(lambda message: message.get("id") == "e2")
    with opened(page, last) as stream:
        assert stream.event()["id"] == "e2"


@pytest.mark.parametrize("after", ["-" + "9" * 5000, "x", "-"])
def test_an_id_that_cannot_be_is_taken_for_none(daemon: Daemon, page: httpx.Client, after: str) -> None:
    with opened(page) as stream:
        daemon.socket.emit(event(1))
        stream.event()
        epoch = stream.last.partition("-")[0]
    answered = page.stream("GET", "/api/stream", params={"after": epoch + after})
    with answered as answer:
        assert Stream(answer).event()["id"] == "e1"


def test_a_page_that_opens_is_told_each_of_the_latest_events_once(daemon: Daemon, page: httpx.Client) -> None:
    with opened(page) as other:
        for seq, phase in enumerate(("start", "update", "end")):
            daemon.socket.emit(event(1, seq=seq, phase=phase, end_s=14.0))
        other.until(lambda message: message.get("phase") == "end")
    with opened(page) as stream:
        events = stream.until(lambda message: message["type"] == "status")
    assert [message["phase"] for message in events if message["type"] == "event"] == ["end"]


def test_the_daemon_makes_levels_and_spectra_only_while_a_page_is_open(daemon: Daemon, page: httpx.Client) -> None:
    with opened(page) as stream:
        eventually(
            lambda: daemon.socket.wants_levels and daemon.socket.wants_spectrum, "the open page's levels are asked for"
        )
        daemon.socket.on_level(level())
        stream.until(lambda message: message["type"] == "level")
    eventually(lambda: not daemon.socket.wants_levels and not daemon.socket.wants_spectrum, "nobody looks any more")


def test_twenty_pages_are_one_client_of_the_daemon(daemon: Daemon, start: Start) -> None:
    url = start()
    pages = [browser(url) for _ in range(20)]
    streams = [opened(page) for page in pages]
    opened_ones = [stream.__enter__() for stream in streams]
    eventually(lambda: daemon.socket.wants_levels, "they are looked at")
    assert daemon.socket.clients == 1
    daemon.socket.emit(event(1))
    assert [stream.event()["id"] for stream in opened_ones] == ["e1"] * 20
    for stream in streams:
        stream.__exit__(None, None, None)
    for page in pages:
        page.close()


def test_a_page_says_that_no_daemon_is_there_and_goes_on_when_one_is(tmp_path: Path, start: Start) -> None:
    with browser(start()) as page, opened(page) as stream:
        why = stream.until(lambda message: message["type"] == "disconnected")[-1]["why"]
        assert "`listener run`" in why
        daemon = Daemon(tmp_path / "s")
        stream.until(lambda message: message["type"] == "hello")
        daemon.end()
        stream.until(lambda message: message["type"] == "disconnected")


def test_what_a_daemon_that_died_left_open_is_over_for_a_page_that_opens_later(tmp_path: Path, start: Start) -> None:
    with browser(start()) as page, opened(page) as early:
        first = Daemon(tmp_path / "s")
        early.until(lambda message: message["type"] == "status")
        first.socket.emit(event(1))
        assert early.event()["phase"] == "start"
        first.end()
        early.until(lambda message: message["type"] == "disconnected")
        second = Daemon(tmp_path / "s")
        early.until(lambda message: message["type"] == "hello")
        with opened(page) as late:
            assert late.event()["phase"] == "end"
        second.end()


def test_a_daemon_that_was_out_of_reach_goes_on_with_what_is_under_way() -> None:
    hub = Hub(lambda _looking: None)
    begun, going_on = event(1), event(1, seq=1, phase="update")
    for news in (begun, going_on, Disconnected("out of reach"), begun, going_on):
        hub.publish(news)
    assert phases(hub) == ["update"]
    hub.publish(event(1, seq=2, phase="end", end_s=14.0))
    assert phases(hub) == ["end"]


def phases(hub: Hub) -> list[str]:
    """Of the events that a page which opens now is told of."""

    async def first() -> bytes:
        page = hub.join()
        assert page
        return await anext(page.messages())

    lines = asyncio.run(first()).splitlines()
    told = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
    return [message["phase"] for message in told if message["type"] == "event"]


def test_a_command_is_done_and_every_page_is_told(daemon: Daemon, page: httpx.Client) -> None:
    with opened(page) as stream:
        stream.until(lambda message: message["type"] == "state")
        answer = page.post("/api/command", json={"command": "threshold", "what": "siren", "on": 0.9})
        assert answer.json()["thresholds"] == {"siren": 0.9}
        assert stream.until(lambda message: message["type"] == "state")[-1]["thresholds"] == {"siren": 0.9}
    assert daemon.controls.state().thresholds == {"siren": 0.9}


@pytest.mark.usefixtures("daemon")
def test_a_command_that_makes_no_sense_is_refused_in_words(page: httpx.Client) -> None:
    wrong = page.post("/api/command", json={"command": "threshold", "what": "sirn", "on": 0.9})
    assert wrong.status_code == 400
    assert "'siren'" in wrong.json()["error"]
    assert page.post("/api/command", content=b"{").status_code == 400


def test_a_command_without_a_daemon_says_how_to_start_one(page: httpx.Client) -> None:
    answer = page.post("/api/command", json={"command": "state"})
    assert answer.status_code == 503
    assert "listener run" in answer.json()["error"]


def test_the_doctors_findings_come_a_line_each(page: httpx.Client) -> None:
    lines = page.post("/api/doctor").text.splitlines()
    assert len(lines) == 2
    assert '"remedy": "Connect a microphone."' in lines[1]


@pytest.fixture
def site(tmp_path: Path) -> ASGIApp:
    """What answers, without a server."""
    backends = app.Backends(
        lambda: Client(f"unix:{tmp_path / 's'}"), lambda: tmp_path / "history.db", lambda: FINDINGS, save
    )
    return app.make(backends).application


def test_pages_that_are_gone_before_their_stream_begins_keep_no_seat(site: ASGIApp) -> None:
    statuses = [asked_and_gone(site, "GET", "/api/stream") for _ in range(PAGES + 1)]
    assert statuses == [200] * (PAGES + 1)


def test_a_page_that_is_gone_before_the_first_finding_does_not_keep_the_doctor(site: ASGIApp) -> None:
    assert asked_and_gone(site, "POST", "/api/doctor") == 200
    eventually(lambda: asked_and_gone(site, "POST", "/api/doctor") == 200, "the doctor is free again")


def test_an_examination_goes_on_without_its_page_and_another_one_waits_for_its_end(start: Start) -> None:
    go_on, at_its_end = threading.Event(), threading.Event()

    def slowly() -> Iterator[Finding]:
        yield FINDINGS[0]
        go_on.wait(20)
        yield FINDINGS[1]
        at_its_end.set()

    with browser(start(examine=slowly)) as page:
        with page.stream("POST", "/api/doctor") as answer:
            assert '"model"' in next(answer.iter_lines())
        with browser(str(page.base_url).rstrip("/")) as other:
            refused = other.post("/api/doctor")
            assert (refused.status_code, refused.json()["code"]) == (400, "web-doctor-busy")
            go_on.set()
            eventually(at_its_end.is_set, "it goes on")
            eventually(lambda: other.post("/api/doctor").status_code == 200, "the doctor is free again")
