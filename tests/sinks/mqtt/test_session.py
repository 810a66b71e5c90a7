"""What is said and heard over a connection, without a broker: unreadable spools, commands that lack something."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from listener.routing.controls import Controls
from listener.sinks.mqtt.session import TIMEOUT_S, Announcer, Commands, Session
from listener.sinks.mqtt.state import MqttState
from listener.sinks.mqtt.topics import Topics
from listener.storage.spool import Spool
from tests.sinks.messages import event

TOPICS = Topics("listener", ["kitchen"], ["smoke_alarm"])
LABEL = "listener/kitchen/smoke_alarm"


class FakeConnection:
    """Takes everything, and after some turns has the session end."""

    congested = False

    def __init__(self, turns: int, closing: threading.Event) -> None:
        self._turns, self._closing = turns, closing
        self.published: list[tuple[str, bytes]] = []
        self.retained: dict[str, bytes] = {}
        self.patience: list[float] = []
        self._taken: list[Any] = []

    def subscribe(self, topic: str) -> None:
        pass

    def publish(self, topic: str, payload: bytes, *, done: Any = None, retain: bool = False, **_how: Any) -> None:
        self.published.append((topic, payload))
        if retain:
            self.retained[topic] = payload
        self._taken += [done] if done else []

    def turn(self, patience_s: float) -> list[tuple[str, bytes, bool]]:
        self.patience.append(patience_s)
        taken, self._taken = self._taken, []
        for done in taken:
            done()
        if len(self.patience) == self._turns:
            self._closing.set()
        return []

    def on(self, topic: str) -> list[bytes]:
        return [payload for where, payload in self.published if where == topic]


def serve(spool: Spool, news: MqttState, turns: int = 1) -> FakeConnection:
    """What a session of some turns says."""
    closing = threading.Event()
    link = FakeConnection(turns, closing)
    announcer = Announcer(birth=None, messages=list, delivered=lambda: None, expiring=lambda: [LABEL])
    session = Session(link, spool, news, TOPICS, commands=Commands(None), announcer=announcer)  # type: ignore[arg-type]
    session.run(closing, threading.Lock())
    return link


def unreadable(path: Path) -> Spool:
    """A spool with a line in a file that cannot be read now."""
    before = Spool(path)
    before.put(b"old")
    before.close()
    spool = Spool(path)
    with sqlite3.connect(path) as damage:
        damage.execute("ALTER TABLE waiting RENAME TO away")
    damage.close()
    return spool


@pytest.mark.parametrize("command", ["snooze", "wake", "threshold"])
def test_a_command_that_lacks_what_it_is_about_is_not_taken_for_the_source(command: str) -> None:
    controls = Controls(["smoke_alarm"], {}, ["kitchen"])
    why = Commands(controls).execute("kitchen", json.dumps({"command": command}).encode(), retained=False)
    assert why is not None
    assert why.startswith(command)
    assert controls.state().snoozed == {}


@pytest.mark.parametrize(("command", "what"), [("mute", "kitchen"), ("snooze", "smoke_alarm")])
def test_what_a_command_names_is_what_it_is_about(command: str, what: str) -> None:
    controls = Controls(["smoke_alarm"], {}, ["kitchen"])
    assert (
        Commands(controls).execute("kitchen", json.dumps({"command": command, "what": what}).encode(), retained=False)
        is None
    )
    assert list(controls.state().snoozed) == [what]


def test_lines_that_cannot_be_read_are_not_asked_for_at_once_again(tmp_path: Path) -> None:
    link = serve(unreadable(tmp_path / "spool.db"), MqttState(TOPICS))
    assert link.patience[0] > TIMEOUT_S / 2


def test_labels_are_told_though_lines_cannot_be_read(tmp_path: Path) -> None:
    assert serve(unreadable(tmp_path / "spool.db"), MqttState(TOPICS)).on(LABEL) == [b"OFF"]


def test_labels_are_told_when_all_lines_are_out(tmp_path: Path) -> None:
    spool, news = Spool(tmp_path / "spool.db"), MqttState(TOPICS)
    for phase in ("start", "end"):
        spool.put(news.note_event(event(label="smoke_alarm", phase=phase)))
    link = serve(spool, news, turns=2)
    assert (link.on(LABEL), len(spool)) == ([b"ON", b"OFF"], 0)


def test_the_end_of_an_event_whose_label_is_no_more_leaves_nothing_at_the_broker(tmp_path: Path) -> None:
    spool, news = Spool(tmp_path / "spool.db"), MqttState(TOPICS)
    spool.put(news.note_event(event(label="smoke_alarm")))
    news.set_topics(Topics("listener", ["kitchen"], ["rain"]))
    spool.put(news.note_event(event(label="smoke_alarm", phase="end")))
    link = serve(spool, news, turns=2)
    assert link.on(LABEL) == [b"ON", b"OFF"]
    assert LABEL not in link.retained
