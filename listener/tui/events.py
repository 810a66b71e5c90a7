"""The list of events, the newest first."""

from itertools import islice

from listener.base import text
from listener.base.text import plain
from listener.base.text_width import padded
from listener.messages import Event
from listener.tui.lines import Line, titled_rule
from listener.tui.scene import is_active
from listener.tui.view import Snapshot


def events(snapshot: Snapshot, width: int, rows: int) -> list[Line]:
    """A titled rule, and `rows` lines."""
    lines = [titled_rule("events", width, snapshot.glyphs)]
    lines += [_row(snapshot, event) for event in islice(reversed(snapshot.scene.events.values()), rows)]
    if not snapshot.scene.events:
        lines.append([(" none yet", "dim")])
    return lines + [[] for _ in range(1 + rows - len(lines))]


def _row(snapshot: Snapshot, event: Event) -> Line:
    active = is_active(event)
    began, ended = snapshot.scene.span(event, snapshot.now)
    lasted = text.duration(ended - began) + (" " + snapshot.glyphs.dot * 3 if active else "")
    style = "bold green" if active else ""
    return [
        (f" {text.moment(event.start, event.start_s)}  ", "dim"),
        (f"{padded(plain(event.label), 20)} ", style),
        (f"peak {event.peak:.2f}  ", ""),
        (f"{lasted:<16} ", style),
        (plain(event.source), "dim"),
    ]
