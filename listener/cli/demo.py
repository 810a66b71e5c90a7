"""The farewell of `listener run --or-demo`: what was recognised in the demo recording, and what to do next."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from listener.base import text
from listener.messages import Event

NEXT = """\
Next steps:
  find your microphone     {listener} devices
  name sounds in a file    {listener} classify FILE
  check this machine       {listener} doctor
"""


def farewell(events: Iterable[Event]) -> str:
    """The summary of the demo's events, and three next steps."""
    rows = [
        f"  {event.start_s:5.1f} s  {text.plain(event.label):<20}{_lasted(event):>8}  peak {event.peak:.2f}"
        for event in events
    ]
    heading = "Recognised in the demo recording:" if rows else "That was the demo recording."
    return "\n".join([heading, *rows, "", NEXT.format(listener=program())])


def program() -> str:
    """How the user calls this program: `listener` if the shell finds it, otherwise the path of its script."""
    called = Path(sys.argv[0])
    if shutil.which("listener") or called.name != "listener":
        return "listener"
    return os.path.relpath(called)


def _lasted(event: Event) -> str:
    return "" if event.end_s is None else text.duration(event.end_s - event.start_s)
