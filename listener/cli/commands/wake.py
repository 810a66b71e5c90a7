"""`listener wake`: end a snooze."""

import click

from listener.cli import options
from listener.cli.commands import snooze
from listener.messages import Command


@click.command()
@click.argument("what", type=options.Name("label", "group", "source", "all"))
@options.connect
def command(what: str, connect: str | None, token_file: str) -> int:
    """Report WHAT again: a label, a group, a source, or `all`."""
    client = options.client(connect, token_file)
    return snooze.show(client.command(Command(command="wake", what=what)))
