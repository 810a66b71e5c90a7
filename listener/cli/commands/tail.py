"""`listener tail`: events of a running listener, line by line, for pipes."""

import argparse
import sys

from listener import messages
from listener.base import text
from listener.cli import common
from listener.daemon.signals import Capture
from listener.errors import SinkError
from listener.messages import Event
from listener.routing.firsts import Firsts


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    common.add_connect_flags(parser)
    parser.add_argument("--label", action="append", metavar="LABEL", help="only this one; may be given several times")
    parser.add_argument("--json", action="store_true", help="JSON lines, every phase of an event")
    parser.add_argument("--replay", type=int, default=0, metavar="N", help="begin with the last N lines")


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Print lines until the daemon stops."""
    client = common.client(arguments)
    capture.deliver_to(client.close)
    first = Firsts()
    for message in client.receive(["event"], arguments.label, arguments.replay):
        if isinstance(message, Event):
            line = messages.encode(message).decode() if arguments.json else _text(message, first=first(message))
            sys.stdout.write(line)
            sys.stdout.flush()
    if not capture.caught:
        raise SinkError("the daemon has ended; its log says why")
    return 0


def _text(event: Event, *, first: bool) -> str:
    line = text.line(event, first=first)
    return f"{line}\n" if line else ""
