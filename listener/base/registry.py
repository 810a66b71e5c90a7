"""The kinds of sources and sinks that a configuration can name: built-in ones, then installed plug-ins.

A package adds a kind by an entry point in the group `listener.sources` or `listener.sinks`.
Classes are imported on demand, so that unused parts cost nothing.
"""

from importlib import import_module
from typing import Any

from listener.base.schema import suggestion
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
    "command": "listener.sinks.command.sink:Hook",
    "webhook": "listener.sinks.webhook.sink:Webhook",
    "mqtt": "listener.sinks.mqtt.sink:Mqtt",
    "history": "listener.sinks.history.sink:HistorySink",
    "prometheus": "listener.sinks.prometheus:Prometheus",
    "web": "listener.sinks.web:Web",
}
CONTROL_SOCKET = {"socket": "listener.sinks.socket.sink:SocketServer"}  # described by [daemon], not by a [[sink]]


def source(kind: str) -> Any:
    """Return the class of a source.

    Raises:
        ConfigError: There is no such kind, or it cannot be imported.
    """
    return _find(kind, SOURCES, "listener.sources", "source")


def sink(kind: str) -> Any:
    """Return the class of a sink.

    Raises:
        ConfigError: There is no such kind, or it cannot be imported.
    """
    if kind in CONTROL_SOCKET:
        return _find(kind, CONTROL_SOCKET, "listener.sinks", "sink")
    return _find(kind, SINKS, "listener.sinks", "sink")


def _find(kind: str, built_in: dict[str, str], group: str, what: str) -> Any:
    if kind in built_in:
        module, _, name = built_in[kind].partition(":")
        return getattr(import_module(module), name)
    from importlib.metadata import entry_points  # 20 ms that only users of plug-ins pay

    plug_ins = {point.name: point for point in entry_points(group=group)}
    if kind not in plug_ins:
        remedy = suggestion(kind, [*built_in, *plug_ins])
        raise ConfigError(f"there is no {what} of kind {kind!r}", code="part-kind-unknown", remedy=remedy)
    try:
        return plug_ins[kind].load()
    except (ImportError, AttributeError) as err:
        problem = f"the plug-in for {what} {kind!r} cannot be imported ({err})"
        raise ConfigError(problem, code="part-import", remedy="Install it again.") from err
