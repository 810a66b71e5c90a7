"""`listener tail`: print the events of a running listener line by line, for pipes."""

import sys
from collections.abc import Sequence

import click

from listener import messages
from listener.base import text
from listener.cli import options
from listener.daemon.signals import Capture
from listener.errors import SinkError
from listener.messages import Event
from listener.routing.first_seen import FirstSeen


@click.command()
@options.connect
@click.option(
    "--label", "labels", multiple=True, type=options.Name("label"), help="Print only this label. May be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, one for every phase of an event.")
@click.option("--replay", default=0, metavar="N", help="Begin with the last N lines.")
@click.pass_obj
def command(
    capture: Capture, /, *, connect: str | None, token_file: str, labels: Sequence[str], as_json: bool, replay: int
) -> int:
    """Print the events of a running listener, until it stops."""
    client = options.client(connect, token_file)
    capture.deliver_to(client.close)
    first = FirstSeen()
    for message in client.receive(["event"], labels or None, replay):
        if isinstance(message, Event):
            line = messages.encode(message).decode() if as_json else _text(message, first=first(message))
            sys.stdout.write(line)
            sys.stdout.flush()
    if not capture.caught:
        raise SinkError("the daemon has stopped", code="client-ended", remedy="Its log says why.")
    return 0


def _text(event: Event, *, first: bool) -> str:
    line = text.line(event, first=first)
    return f"{line}\n" if line else ""
