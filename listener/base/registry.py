"""The parts that a configuration can name: a literal table of ours, then what others have installed.

A stranger's package adds a part by an entry point in the group `listener.sources` or `listener.sinks`.
Classes are imported when they are asked for, so that a part nobody uses costs nothing.
"""

from importlib import import_module
from typing import Any

from listener.base.schema import nearest
from listener.errors import ConfigError

SOURCES = {
    "microphone": "listener.sources.microphone.source:Microphone",
    "command": "listener.sources.command:CommandSource",
    "stdin": "listener.sources.stdin:Stdin",
    "file": "listener.sources.file:File",
}

SINKS = {
    "console": "listener.sinks.console:Console",
    "log": "listener.sinks.log:Log",
    "socket": "listener.sinks.socket.sink:SocketServer",
    "command": "listener.sinks.command.sink:Hook",
    "webhook": "listener.sinks.webhook.sink:Webhook",
    "mqtt": "listener.sinks.mqtt.sink:Mqtt",
    "history": "listener.sinks.history.sink:History",
    "prometheus": "listener.sinks.prometheus:Prometheus",
    "web": "listener.sinks.web:Web",
}


def source(kind: str) -> Any:
    """The class of a source, whose `Config` declares its section. ConfigError where there is none."""
    return _find(kind, SOURCES, "listener.sources", "source")


def sink(kind: str) -> Any:
    """The class of a sink, whose `Config` declares its section. ConfigError where there is none."""
    return _find(kind, SINKS, "listener.sinks", "sink")


def _find(kind: str, ours: dict[str, str], group: str, what: str) -> Any:
    if kind in ours:
        module, _, name = ours[kind].partition(":")
        return getattr(import_module(module), name)
    from importlib.metadata import entry_points  # 20 ms that nobody pays who names only parts of ours

    theirs = {point.name: point for point in entry_points(group=group)}
    if kind not in theirs:
        raise ConfigError(f"{what}.kind: no {what} is called {kind!r}{nearest(kind, [*ours, *theirs])}")
    return theirs[kind].load()
