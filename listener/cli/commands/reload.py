"""`listener reload`: have a running listener read its configuration again."""

import click

from listener.cli import options
from listener.messages import Command


@click.command()
@options.connect
def command(connect: str | None, token_file: str) -> int:
    """Have a running listener read its configuration again.

    The exit status is 2 if the configuration is refused; the listener then continues with the one that it has.
    """
    state = options.client(connect, token_file).command(Command(command="reload"))
    print(f"reloaded; changed only by a restart: {', '.join(state.restart)}" if state.restart else "reloaded")
    return 0
