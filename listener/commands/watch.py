"""`listener watch`: the live display, attached to a running listener."""

import argparse

from listener.commands import _shared
from listener.display import Display
from listener.errors import SinkError
from listener.signals import Capture
from listener.wire import Event, Hello, Level, Status

REPLAY = 20


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    _shared.add_connect_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Show what the daemon hears until it stops."""
    client = _shared.client(arguments)
    capture.deliver_to(client.close)
    messages = client.messages(["event", "level", "status"], replay=REPLAY)
    hello = next(messages)
    if not isinstance(hello, Hello):
        raise SinkError("what answers there is no listener")
    display = Display(hello)
    display.open()
    try:
        for message in messages:
            if isinstance(message, Event):
                display.emit(message)
            elif isinstance(message, Level | Status):
                display.show(message)
            elif isinstance(message, Hello):
                display.greet(message)
    finally:
        display.close()
    if not capture.caught:
        raise SinkError("the daemon has ended; its log says why")
    return 0
