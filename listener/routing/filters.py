"""Which events a sink gets: the `when` of every [[sink]], in one place for all of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from datetime import time as time_of_day
from typing import Annotated

from listener.base.clocks import uptime
from listener.base.schema import Meta, Section
from listener.errors import ConfigError
from listener.messages import Event, Phase

Hours = tuple[time_of_day, time_of_day]
CLOCK_TIMES = r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d"


class FilterConfig(Section, frozen=True):
    """Which events this sink gets. What is left out asks for nothing."""

    labels: Annotated[tuple[str, ...], Meta(description="labels and groups of labels; empty: all")] = ()
    sources: Annotated[tuple[str, ...], Meta(description="names of sources; empty: all")] = ()
    phases: Annotated[
        tuple[Phase, ...],
        Meta(
            description="of start, update and end; empty: all; the line at which an event is taken counts as its start"
        ),
    ] = ()
    min_score: Annotated[
        float, Meta(ge=0, lt=1, description="an event is taken once its peak is so high, at its start or later")
    ] = 0.0
    hours: Annotated[str, Meta(description="local time of day, as 22:00-06:30; empty: always")] = ""
    cooldown_s: Annotated[
        float, Meta(ge=0, le=86_400, description="after an event, none of its label and source for so long")
    ] = 0.0


class Filter:
    """Decides event by event: whoever is given the start of one is given the rest of it, but for `phases`.

    An event is taken at the first of its lines that meets everything, so one that becomes louder is taken late. For
    `phases` that line is its start, whatever it is: who asks for starts alone must not miss what is sure only later.
    A filter that comes in the place of one `before` goes on with the events that this had taken. For one thread.
    """

    def __init__(
        self,
        config: FilterConfig,
        groups: Mapping[str, Sequence[str]],
        *,
        before: "Filter | None" = None,
        clock: Callable[[], float] = uptime,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._config = config
        self._labels = {label for name in config.labels for label in groups.get(name, (name,))}
        self._hours = parse_hours(config.hours)
        self._clock, self._now = clock, now
        self._taken: set[str] = before._taken if before else set()  # ids of events under way
        self._refused: set[str] = before._refused if before else set()
        # label, source -> when one was last taken
        self._last: dict[tuple[str, str], float] = before._last if before else {}

    def __call__(self, event: Event) -> bool:
        """Whether the sink gets this line."""
        known = event.id in self._taken
        taken = known or self._takes(event)
        if event.phase in ("end", None):
            self._taken.discard(event.id)
            self._refused.discard(event.id)
        return taken and self._is_wanted(event, first=not known)

    def _is_wanted(self, event: Event, *, first: bool) -> bool:
        phases = self._config.phases
        return not phases or event.phase in phases or (first and "start" in phases)

    def _takes(self, event: Event) -> bool:
        """Whether an event is taken that was not before."""
        if event.id in self._refused or not self._is_meant(event):
            return False
        if self._cools_down(event):
            self._refused.add(event.id)  # an event that came too early does not become a late one
            return False
        self._taken.add(event.id)
        self._last[event.label, event.source] = self._clock()
        return True

    def _is_meant(self, event: Event) -> bool:
        config = self._config
        return (
            (not config.labels or event.label in self._labels)
            and (not config.sources or event.source in config.sources)
            and event.peak >= config.min_score
            and (self._hours is None or _within(self._now().time(), self._hours))
        )

    def _cools_down(self, event: Event) -> bool:
        last = self._last.get((event.label, event.source))
        return last is not None and self._clock() - last < self._config.cooldown_s


def parse_hours(text: str) -> Hours | None:
    """Begin and end of a stretch of the day; None for the whole of it. ConfigError where it is neither."""
    if not text:
        return None
    if not re.fullmatch(CLOCK_TIMES, text.replace(" ", "")):
        raise ConfigError(f"hours: {text!r} is no stretch of the day; write it as 22:00-06:30")
    begin, end = (time_of_day.fromisoformat(part) for part in text.replace(" ", "").split("-"))
    if begin == end:
        raise ConfigError(f"hours: {text!r} begins when it ends; leave it out for the whole day")
    return begin, end


def _within(now: time_of_day, hours: Hours) -> bool:
    begin, end = hours
    return begin <= now < end if begin <= end else now >= begin or now < end
