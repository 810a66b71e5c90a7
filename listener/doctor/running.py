"""A daemon that runs already: who it is, how it does, and what its microphones hear."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from listener.client import Client
from listener.config import Config
from listener.doctor.ambient import AmbientLevel
from listener.errors import SinkError
from listener.messages import Hello, Level, Message, SourceState, Status, Topic
from listener.pipeline.values import SILENT_DBFS

STATUS_S = 5.0  # it tells one each second
FIRST_S = 3.0  # likewise it looks once a second whether anybody wants levels; more where nothing was heard yet


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon at its socket."""

    hello: Hello
    status: Status

    def hears(self, source: str) -> bool:
        """Whether it listens to a source of this name just now."""
        status = self.status.sources.get(source)
        return status is not None and status.state == SourceState.LISTENING


def running(config: Config) -> Running:
    """The daemon that this configuration would be. NoDaemon where there is none; SinkError where it is hung."""
    with _messages(config, ["status"], STATUS_S) as messages:
        hello = next(messages)
        for message in messages:
            if isinstance(message, Status) and isinstance(hello, Hello):
                return Running(hello, message)
    raise SinkError(f"the daemon greets and says no more for {STATUS_S:g} s; see its log, and restart it")


def room(config: Config, source: str, seconds: float) -> AmbientLevel:
    """What the daemon's meter says of a source for some time from its first level on, ten times a second."""
    levels: list[Level] = []
    began = time.monotonic()
    with _messages(config, ["level"], FIRST_S + seconds) as messages:
        for message in messages:
            if not (isinstance(message, Level) and message.source == source and message.at_s):
                continue  # at 0 s nothing was heard yet, which is no silence
            if not levels:
                began = time.monotonic()
            levels.append(message)
            if time.monotonic() - began >= seconds:
                break
    levels_dbfs = np.array([level.level_dbfs for level in levels], np.float32)
    return AmbientLevel(
        seconds=time.monotonic() - began,
        levels_dbfs=levels_dbfs,
        open=np.array([level.open for level in levels], np.bool_),
        floor_dbfs=levels[-1].floor_dbfs if levels else None,
        dead=float((levels_dbfs <= SILENT_DBFS).mean()) if levels else 0.0,
    )


@contextmanager
def _messages(config: Config, topics: list[Topic], seconds: float) -> Iterator[Iterator[Message]]:
    """What the daemon sends in so long."""
    client = Client(address(config))
    timer = threading.Timer(seconds, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield client.receive(topics)
    finally:
        timer.cancel()
        client.close()


def address(config: Config) -> str | None:
    """Where the configuration puts the socket; None: where it usually is."""
    named = [part.config.path for part in config.sinks if part.kind == "socket" and part.config.path]
    return f"unix:{named[0]}" if named else None
