"""`listener status`: how a running listener is doing, now; a failing exit status where it is deaf or in trouble."""

import argparse
import threading
from datetime import timedelta

from listener import messages as wire
from listener.cli import common
from listener.client import ANSWER_S, Client
from listener.daemon.signals import Capture
from listener.errors import SinkError
from listener.messages import Hello, SourceState, SourceStatus, Status


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    common.add_connect_flags(parser)
    parser.add_argument("--json", action="store_true", help="the status line of the socket, as it is")


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Print it; 1 where a source does not listen, or what it hears can be no room: digital silence, or clipped."""
    client = common.client(arguments)
    capture.deliver_to(client.close)
    hello, status = _asked(client)
    if arguments.json:
        print(wire.encode(status).decode(), end="")
    else:
        _print(hello, status)
    return 0 if all(map(_well, status.sources.values())) else 1


def _well(source: SourceStatus) -> bool:
    return source.state == SourceState.LISTENING and not source.trouble


def _asked(client: Client) -> tuple[Hello, Status]:
    """The daemon's greeting and its next status, which is due within a second."""
    patience = threading.Timer(ANSWER_S, client.close)
    patience.start()
    try:
        messages = client.receive(["status"])
        hello = next(messages)
        status = next((message for message in messages if isinstance(message, Status)), None)
    finally:
        patience.cancel()
    if status is None or not isinstance(hello, Hello):
        raise SinkError("the daemon says nothing of itself; see its log, and restart it")
    return hello, status


def _print(hello: Hello, status: Status) -> None:
    uptime = timedelta(seconds=round(status.uptime_s))
    print(f"listener {hello.version}  {hello.model} on {hello.provider}  up {uptime}  cpu {100 * status.cpu:.1f} %")
    for name, source in status.sources.items():
        detail = f" ({source.detail})" if source.detail else ""
        print(f"{name}  {source.state}{detail}, heard {source.heard_s:.0f} s, lost {source.lost_s:.1f} s")
        if source.trouble:
            print(f"{name}  {source.trouble}")
    for name, lost in status.sinks.items():
        if lost or status.waiting.get(name):
            print(f"{name}  {lost} events lost, {status.waiting.get(name, 0)} wait")
