"""One line of each event, for receivers that are to hear of it once."""

from listener.messages import Event

UNDER_WAY = 1024  # far more events than there are labels and sources to be heard at a time


class Firsts:
    """Whether a line is the first that is seen of its event, whatever its phase: a filter may have let it in late."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}  # ids, the latest seen last; ends may be filtered out, so it needs a bound

    def __call__(self, event: Event) -> bool:
        first = event.id not in self._seen
        self._seen.pop(event.id, None)
        self._seen[event.id] = None
        if len(self._seen) > UNDER_WAY:
            del self._seen[next(iter(self._seen))]
        return first
