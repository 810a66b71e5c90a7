"""`listener watch`: the live display of a running listener."""

import click

from listener.cli import options, save_thresholds
from listener.daemon.signals import Capture
from listener.errors import ConfigError
from listener.tui.attachment import Attachment
from listener.tui.canvas import Canvas
from listener.tui.display import LiveDisplay


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
    save = save_thresholds.by_client(client)
    display = LiveDisplay(canvas=canvas, execute=attachment.send, save=save, quit=attachment.end)
    capture.deliver_to(attachment.end)
    display.open()
    try:
        attachment.feed(display)
    finally:
        display.close()
    saved = display.view.saved
    if saved and not saved.path:
        print("# add to the configuration, to keep the thresholds", *saved.lines, sep="\n")
    return 0
