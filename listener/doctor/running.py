"""What a running daemon reports about itself and its sources."""

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

STATUS_S = 5.0  # the daemon sends a status each second
FIRST_S = 3.0  # it notices once a second that somebody wants levels, and has none before the first audio


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that answers at its socket."""

    hello: Hello
    status: Status

    def listens_to(self, source: str) -> bool:
        """Return whether it has a source of this name that is listening now."""
        status = self.status.sources.get(source)
        return status is not None and status.state == SourceState.LISTENING


def running(config: Config) -> Running:
    """Return the daemon at the socket that the configuration names.

    Raises:
        NoDaemon: None is running.
        SinkError: It does not answer.
    """
    with _messages(config, ["status"], STATUS_S) as messages:
        hello = next(messages)
        for message in messages:
            if isinstance(message, Status) and isinstance(hello, Hello):
                return Running(hello, message)
    raise SinkError(
        f"the daemon sent no status within {STATUS_S:g} s", code="daemon-hung", remedy="See its log, then restart it."
    )


def measure(config: Config, source: str, seconds: float) -> AmbientLevel:
    """Collect the levels that the daemon reports ten times a second, for `seconds` from the first one on."""
    levels: list[Level] = []
    began = time.monotonic()
    with _messages(config, ["level"], FIRST_S + seconds) as messages:
        for message in messages:
            if not (isinstance(message, Level) and message.source == source and message.at_s):
                continue  # at 0 s there was no audio yet: the level means nothing
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


def address(config: Config) -> str | None:
    """Return the address of the configured socket; None for the usual one."""
    named = [part.config.path for _, part in config.outputs if part.kind == "socket" and part.config.path]
    return f"unix:{named[0]}" if named else None


@contextmanager
def _messages(config: Config, topics: list[Topic], seconds: float) -> Iterator[Iterator[Message]]:
    """Connect for at most `seconds`."""
    client = Client(address(config))
    timer = threading.Timer(seconds, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield client.receive(topics)
    finally:
        timer.cancel()
        client.close()
