"""The list of events, the newest first."""

from itertools import islice

from listener.base import text
from listener.base.text import plain
from listener.base.text_width import padded
from listener.messages import Event
from listener.tui.lines import Line, titled_rule
from listener.tui.scene import is_on
from listener.tui.view import Shot


def events(shot: Shot, width: int, rows: int) -> list[Line]:
    """A rule, and so many rows."""
    lines = [titled_rule("events", width, shot.look)]
    lines += [_row(shot, event) for event in islice(reversed(shot.scene.events.values()), rows)]
    if not shot.scene.events:
        lines.append([(" nothing yet", "dim")])
    return lines + [[] for _ in range(1 + rows - len(lines))]


def _row(shot: Shot, event: Event) -> Line:
    on = is_on(event)
    began, ended = shot.scene.span(event, shot.now)
    lasted = text.duration(ended - began) + (" " + shot.look.dot * 3 if on else "")
    style = "bold green" if on else ""
    return [
        (f" {text.moment(event.start, event.start_s)}  ", "dim"),
        (f"{padded(plain(event.label), 20)} ", style),
        (f"peak {event.peak:.2f}  ", ""),
        (f"{lasted:<16} ", style),
        (plain(event.source), "dim"),
    ]
