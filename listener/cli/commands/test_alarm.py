"""`listener test-alarm`: send a test event through every sink of a running listener."""

import time
from collections.abc import Iterator, Mapping

import click

from listener.cli import options
from listener.daemon.signals import Capture
from listener.errors import ConfigError, SinkError
from listener.messages import Command, Message, Refusal, State, Status

PATIENCE_S = 10.0  # for receivers elsewhere
DELIVERED, EXCLUDED = "delivered", "not sent: its `when` excludes the event"


@click.command()
@click.argument("label", default="", type=options.Name("label"))
@options.connect
@click.pass_obj
def command(capture: Capture, /, *, label: str, connect: str | None, token_file: str) -> int:
    """Send a test event through every sink of a running listener, and print what became of it.

    LABEL is the label of the event, by default smoke_alarm. Its source is `test`, so that receivers can tell it from a
    real one. The exit status is 1 if a sink could not deliver it.
    """
    client = options.client(connect, token_file)
    capture.deliver_to(client.close)
    received = client.receive(["status"], patience_s=PATIENCE_S)
    next(received)  # the greeting
    before = _next_status(received)
    client.send(Command(command="test", what=label))
    sent_to = _state(received).tested
    after = _settled(received, sent_to)
    answers = {name: _answer(name, before, after) if name in sent_to else EXCLUDED for name in after.sinks}
    for name, answer in answers.items():
        print(f"{name}  {answer}")
    return 0 if set(answers.values()) <= {DELIVERED, EXCLUDED} else 1


def _answer(name: str, before: Status, after: Status) -> str:
    if after.sinks.get(name, 0) > before.sinks.get(name, 0):
        return "failed; see the log of the daemon"
    return f"not delivered within {PATIENCE_S:.0f} s; it will be tried again" if after.waiting.get(name) else DELIVERED


def _next_status(received: Iterator[Message]) -> Status:
    for message in received:
        if isinstance(message, Status):
            return message
    raise SinkError("the daemon has stopped", code="client-ended", remedy="Its log says why.")


def _state(received: Iterator[Message]) -> State:
    for message in received:
        if isinstance(message, Refusal):
            raise ConfigError(f"the daemon refused: {message.message}", code="client-refused")
        if isinstance(message, State):
            return message
    raise SinkError("the daemon has stopped", code="client-ended", remedy="Its log says why.")


def _settled(received: Iterator[Message], names: list[str]) -> Status:
    """The first status in which none of these sinks has anything waiting, or the last within the patience."""
    deadline = time.monotonic() + PATIENCE_S
    _next_status(received)  # it may have been made before the event was sent
    while True:
        status = _next_status(received)
        if not _waiting(status.waiting, names) or time.monotonic() > deadline:
            return status


def _waiting(waiting: Mapping[str, int], names: list[str]) -> bool:
    return any(waiting.get(name) for name in names)
