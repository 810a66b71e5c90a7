"""Text for people: events as lines, durations and counts, and names that others chose made safe to print."""

from datetime import datetime

from listener.base.text_width import padded
from listener.messages import Event

NAME_CELLS = 20


def line(event: Event, *, first: bool = False) -> str | None:
    """Return an event's message as a line.

    Args:
        event: A start, an end or a whole event; an update says nothing new.
        first: Whether this is the first message of its event that is shown, as after a snooze.

    Returns:
        The line, or None for an update that is not the first message.
    """
    name, source = padded(plain(event.label), NAME_CELLS), plain(event.source)
    if event.phase == "start" or (event.phase == "update" and first):
        return f"{moment(event.start, event.start_s)}  {name}  {event.score:.2f}  {source}"
    if event.phase == "update":
        return None
    when = moment(event.end, event.end_s) if event.phase == "end" else moment(event.start, event.start_s)
    lasted = duration((event.end_s or event.start_s) - event.start_s)
    return f"{when}  {name}  ended after {lasted}, peak {event.peak:.2f}  {source}"


def moment(wall: str | None, stream_s: float | None) -> str:
    """Return the local time of day, or the seconds of a stream without one, at least 8 characters wide."""
    if wall is not None:
        return datetime.fromisoformat(wall).astimezone().strftime("%H:%M:%S")
    return f"{stream_s or 0.0:6.1f} s"


def duration(seconds: float) -> str:
    """Return a duration in at most two units: `3.2 s`, `2 min 05 s`, `3 h 12 min`, `5 d 3 h`."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def times(count: int) -> str:
    """Return how often: `once`, `3 times`."""
    return "once" if count == 1 else f"{count} times"


def plain(name: str) -> str:
    """Make a name that others chose safe to print: in a bundle, by a peer, by MQTT.

    Characters that are not printable are escaped: control characters would move the cursor or split a line of the log,
    and marks of the direction of writing would reorder it.
    """
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
