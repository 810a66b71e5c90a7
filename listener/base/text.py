"""What a person reads: an event in one line, local time; how long, and how often."""

from datetime import datetime

from listener.base.text_width import padded
from listener.messages import Event

NAME_CELLS = 20


def line(event: Event, *, first: bool = False) -> str | None:
    """One line for a start, an end or a whole event; None for an update, which says nothing new to a person.

    But if it is the `first` line that came of its event, which was snoozed when it began, say.
    """
    name = padded(event.label, NAME_CELLS)
    if event.phase == "start" or (event.phase == "update" and first):
        return f"{moment(event.start, event.start_s)}  {name}  {event.score:.2f}  {event.source}"
    if event.phase == "update":
        return None
    when = moment(event.end, event.end_s) if event.phase == "end" else moment(event.start, event.start_s)
    lasted = duration((event.end_s or event.start_s) - event.start_s)
    return f"{when}  {name}  ended after {lasted}, peak {event.peak:.2f}  {event.source}"


def moment(wall: str | None, stream_s: float | None) -> str:
    """The local time of day, or where there is none (files) the seconds of stream; always at least 8 wide."""
    if wall is not None:
        return datetime.fromisoformat(wall).astimezone().strftime("%H:%M:%S")
    return f"{stream_s or 0.0:6.1f} s"


def duration(seconds: float) -> str:
    """Two units at most: `3.2 s`, `2 min 05 s`, `3 h 12 min`, `5 d 3 h`."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def times(count: int) -> str:
    """How often: `once`, `3 times`."""
    return "once" if count == 1 else f"{count} times"


def plain(name: str) -> str:
    """Return the name with each character that is not printable replaced, so that it cannot move the cursor."""
    return "".join(char if char.isprintable() else "?" for char in name)
