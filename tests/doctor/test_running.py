"""The meter of a running daemon is read for as long as was asked for, from its first level on."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from listener import config as configuration
from listener.config import Config
from listener.doctor import running
from listener.messages import Level
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.sinks.messages import HELLO, level

LATE_S = 0.6  # after somebody has asked: a daemon looks once a second

Tell = Callable[[Level, Level], Config]


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[Tell]:
    """Tells whoever watches one level at once, and another from LATE_S on; the configuration that leads there."""
    path = str(tmp_path / "s")
    server = SocketServer(SocketConfig(path=path), HELLO)
    server.open()
    ended = threading.Event()

    def tell(first: Level, then: Level) -> None:
        while not server.wants_levels and not ended.wait(0.01):
            pass
        server.on_level(first)
        ended.wait(LATE_S)
        while not ended.wait(0.02):
            server.on_level(then)

    threads = []

    def start(first: Level, then: Level) -> Config:
        threads.append(threading.Thread(target=tell, args=(first, then)))
        threads[0].start()
        return replace(configuration.load(None), sinks=(configuration.part("sink", {"kind": "socket", "path": path}),))

    yield start
    ended.set()
    threads[0].join()
    server.close()


def test_a_daemon_that_begins_late_is_heard_for_the_whole_time(telling: Tell) -> None:
    config = telling(level(source="hall"), level(level_dbfs=-50.0))
    room = running.measure(config, "kitchen", LATE_S / 2)
    assert room.usual_dbfs == -50.0
    assert room.seconds >= LATE_S / 2
    assert len(room.levels_dbfs) > 2


def test_what_its_meter_says_before_anything_was_heard_is_no_silence(telling: Tell) -> None:
    config = telling(level(at_s=0.0, level_dbfs=-100.0), level(level_dbfs=-50.0))
    room = running.measure(config, "kitchen", LATE_S / 2)
    assert (room.dead, room.usual_dbfs) == (0.0, -50.0)


def test_a_meter_that_never_says_anything_is_not_waited_for_longer_than_that(telling: Tell) -> None:
    config = telling(level(source="hall"), level(source="hall"))
    began = time.monotonic()
    room = running.measure(config, "kitchen", 0.1)
    assert running.FIRST_S <= time.monotonic() - began < running.FIRST_S + 3
    assert len(room.levels_dbfs) == 0
