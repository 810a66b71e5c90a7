"""Recognise the first line of each event, for receivers that get one line per event."""

from listener.messages import Event

MAX_EVENTS = 1024  # far more than can be under way at once


class FirstSeen:
    """Tell whether a line is the first one seen of its event. It need not be a start: a filter may pass events late."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}  # the latest seen last; bounded, because a filter may drop ends

    def __call__(self, event: Event) -> bool:
        """Return whether this is the first line of its event."""
        first = event.id not in self._ids
        self._ids.pop(event.id, None)
        self._ids[event.id] = None
        if len(self._ids) > MAX_EVENTS:
            del self._ids[next(iter(self._ids))]
        return first
