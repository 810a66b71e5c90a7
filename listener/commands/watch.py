"""`listener watch`: the live display, attached to a running listener."""

import argparse

from listener.attachment import Attachment
from listener.commands import _keep, _shared
from listener.display import Display
from listener.errors import ConfigError
from listener.signals import Capture
from listener.terminal.canvas import Canvas


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    _shared.add_connect_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Show what the daemon hears until the user has seen enough."""
    client = _shared.client(arguments)
    canvas = Canvas()
    if not canvas.usable:
        raise ConfigError("watch draws on a terminal, and this is none that can be drawn on; for lines: listener tail")
    attachment = Attachment(client)
    keep = _keep.by_client(client)
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
