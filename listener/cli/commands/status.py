"""`listener status`: how a running listener is doing, with an exit status for monitoring."""

import threading
from datetime import timedelta

import click

from listener import messages
from listener.cli import options
from listener.client import ANSWER_S, Client
from listener.daemon.signals import Capture
from listener.errors import SinkError
from listener.messages import Hello, SourceState, SourceStatus, Status


@click.command()
@options.connect
@click.option("--json", "as_json", is_flag=True, help="Print the status message as the socket sends it.")
@click.pass_obj
def command(capture: Capture, connect: str | None, token_file: str, as_json: bool) -> int:
    """Show how a running listener is doing.

    The exit status is 1 if a source does not listen, or if its signal cannot be that of a working microphone.
    """
    client = options.client(connect, token_file)
    capture.deliver_to(client.close)
    hello, status = _received(client)
    if as_json:
        print(messages.encode(status).decode(), end="")
    else:
        _print(hello, status)
    return 0 if all(map(_is_well, status.sources.values())) else 1


def _is_well(source: SourceStatus) -> bool:
    return source.state == SourceState.LISTENING and not source.trouble


def _received(client: Client) -> tuple[Hello, Status]:
    """The daemon's greeting and its next status, which is due within a second."""
    patience = threading.Timer(ANSWER_S, client.close)
    patience.start()
    try:
        received = client.receive(["status"])
        hello = next(received)
        status = next((message for message in received if isinstance(message, Status)), None)
    finally:
        patience.cancel()
    if status is None or not isinstance(hello, Hello):
        raise SinkError(
            "the daemon does not report its status", code="client-silent", remedy="Read its log, and restart it."
        )
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
            print(f"{name}  {lost} events lost, {status.waiting.get(name, 0)} waiting")
