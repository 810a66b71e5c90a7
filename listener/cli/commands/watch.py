"""`listener watch`: the live display of a running listener."""

import click

from listener.cli import options, save_thresholds
from listener.daemon.signals import Capture
from listener.errors import ConfigError
from listener.tui.attachment import Attachment
from listener.tui.canvas import Canvas
from listener.tui.display import Display


@click.command()
@options.connect
@click.pass_obj
def command(capture: Capture, connect: str | None, token_file: str) -> int:
    """Show a live display of a running listener. It waits for one, and reconnects after a restart."""
    client = options.client(connect, token_file)
    canvas = Canvas()
    if not canvas.usable:
        raise ConfigError(
            "watch needs a terminal that it can draw on", code="watch-no-terminal", remedy="Use `listener tail`."
        )
    attachment = Attachment(client)
    keep = save_thresholds.by_client(client)
    display = Display(canvas=canvas, obey=attachment.ask, keep=keep, quit=attachment.end)
    capture.deliver_to(attachment.end)
    display.open()
    try:
        attachment.feed(display)
    finally:
        display.close()
    kept = display.view.kept
    if kept and not kept.path:
        print("# for the configuration, to keep the thresholds", *kept.lines, sep="\n")
    return 0
