"""Which events a sink gets: the `when` of every [[sink]]."""

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
    """Which events this sink gets. A key that is left out excludes nothing."""

    labels: Annotated[tuple[str, ...], Meta(description="labels and groups of labels; empty: all")] = ()
    sources: Annotated[tuple[str, ...], Meta(description="names of sources; empty: all")] = ()
    phases: Annotated[
        tuple[Phase, ...],
        Meta(description="of start, update and end; empty: all; the first line of an event that passes is its start"),
    ] = ()
    min_score: Annotated[
        float, Meta(ge=0, lt=1, description="an event passes as soon as its peak reaches this, at its start or later")
    ] = 0.0
    hours: Annotated[str, Meta(description="local time of day, as 22:00-06:30; empty: always")] = ""
    cooldown_s: Annotated[
        float, Meta(ge=0, le=86_400, description="after an event, pass none of its label and source for this long")
    ] = 0.0


class Filter:
    """A filter per event. Once an event has been accepted, all its later lines pass too, subject to `phases`.

    An event is accepted at the first of its lines that meets all conditions. `phases` takes that line for the start, so
    that a sink for starts only does not miss an event that becomes certain later. For one thread.

    Args:
        config: The conditions.
        groups: The labels of each group.
        before: The filter that this one replaces: events that it has accepted stay accepted.
        needs_ends: Whether ends pass whatever `phases` says.
        clock: A clock that nobody sets, for `cooldown_s`.
        now: The local time, for `hours`.
    """

    def __init__(
        self,
        config: FilterConfig,
        groups: Mapping[str, Sequence[str]],
        *,
        before: "Filter | None" = None,
        needs_ends: bool = False,
        clock: Callable[[], float] = uptime,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._config, self._needs_ends = config, needs_ends
        self._labels = {label for name in config.labels for label in groups.get(name, (name,))}
        self._hours = parse_hours(config.hours)
        self._clock, self._now = clock, now
        self._accepted: set[str] = before._accepted if before else set()  # ids of running events
        self._refused: set[str] = before._refused if before else set()
        # label, source -> when an event was last accepted
        self._last: dict[tuple[str, str], float] = before._last if before else {}

    def __call__(self, event: Event) -> bool:
        """Tell whether the sink gets this line."""
        known = event.id in self._accepted
        accepted = known or self._accepts(event)
        if event.phase in ("end", None):
            self._accepted.discard(event.id)
            self._refused.discard(event.id)
        return accepted and self._is_wanted(event, first=not known)

    def _is_wanted(self, event: Event, *, first: bool) -> bool:
        phases = self._config.phases
        if self._needs_ends and event.phase == "end":
            return True
        return not phases or event.phase in phases or (first and "start" in phases)

    def _accepts(self, event: Event) -> bool:
        """Tell whether an event is accepted that was not before."""
        if event.id in self._refused or not self._matches(event):
            return False
        if self._cools_down(event):
            self._refused.add(event.id)  # it stays refused when the cool-down is over
            return False
        self._accepted.add(event.id)
        self._last[event.label, event.source] = self._clock()
        return True

    def _matches(self, event: Event) -> bool:
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
    """Return begin and end of a time range, None for the whole day, or raise ConfigError."""
    if not text:
        return None
    if not re.fullmatch(CLOCK_TIMES, text.replace(" ", "")):
        problem, remedy = f"invalid time range {text!r}", "Write, for example, 22:00-06:30."
        raise ConfigError(problem, code="filter-hours", remedy=remedy)
    begin, end = (time_of_day.fromisoformat(part) for part in text.replace(" ", "").split("-"))
    if begin == end:
        problem, remedy = f"time range {text!r} is empty", "Leave it out for the whole day."
        raise ConfigError(problem, code="filter-hours", remedy=remedy)
    return begin, end


def _within(now: time_of_day, hours: Hours) -> bool:
    begin, end = hours
    return begin <= now < end if begin <= end else now >= begin or now < end
