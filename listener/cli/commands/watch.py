"""`listener watch`: the live display, attached to a running listener."""

import argparse

from listener.cli import common, save_thresholds
from listener.daemon.signals import Capture
from listener.errors import ConfigError
from listener.tui.attachment import Attachment
from listener.tui.canvas import Canvas
from listener.tui.display import Display


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    common.add_connect_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Show what the daemon hears until the user has seen enough."""
    client = common.client(arguments)
    canvas = Canvas()
    if not canvas.usable:
        raise ConfigError("watch draws on a terminal, and this is none that can be drawn on; for lines: listener tail")
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
