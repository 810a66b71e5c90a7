"""Everything that a display has received: the latest message of every kind, and recent events."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from listener import messages
from listener.base.text import plain
from listener.routing.controls import EVERYTHING, is_muted
from listener.tui.spectrogram import Spectrogram

EVENTS = 200  # kept for the list and the timeline

Shown = (
    messages.Event
    | messages.Level
    | messages.Spectrum
    | messages.Status
    | messages.Hello
    | messages.State
    | messages.Refusal
)

UNCHANGED = messages.State(snoozed={}, listening_for={}, thresholds={})


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when no daemon sends anything, and why."""

    since: float  # Unix time
    why: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What the display knows. Frozen, so that it can be drawn while the next one is made."""

    hello: messages.Hello | None = None  # None: no daemon has been met yet
    levels: dict[str, messages.Level] = field(default_factory=dict)
    spectrograms: dict[str, Spectrogram] = field(default_factory=dict)
    status: messages.Status | None = None
    state: messages.State = UNCHANGED
    events: dict[str, messages.Event] = field(default_factory=dict)  # by id, the oldest first
    notice: str = ""
    absence: Absence | None = None

    def with_message(self, message: Shown) -> "Scene":
        """The scene after one more message."""
        match message:
            case messages.Event():
                return self._with_event(message)
            case messages.Hello():
                return self._with_hello(message)
            case messages.Refusal():
                return self.with_notice(f"refused: {message.message}")
        return self._updated(message)

    def with_notice(self, notice: str) -> "Scene":
        """The scene with a message at its foot."""
        return replace(self, notice=plain(notice))

    def with_absence(self, since: float, why: str) -> "Scene":
        """The scene without a daemon. The first reason is kept until there is another daemon."""
        if self.absence and self.hello:
            return self
        return replace(self, absence=Absence(self.absence.since if self.absence else since, plain(why)))

    @property
    def sources(self) -> list[str]:
        """The names of the sources, in the order of the configuration."""
        return list(dict.fromkeys([*(self.hello.sources if self.hello else ()), *self.levels]))

    def threshold(self, label: str) -> float | None:
        """The threshold of a label that is in force."""
        configured = self.hello.thresholds.get(label) if self.hello else None
        return self.state.thresholds.get(label, configured)

    def ranked(self, source: str) -> list[tuple[str, float]]:
        """Every label with its score at a source: first those with a score, then the others in the model's order."""
        level = self.levels.get(source)
        top = level.top if level else {}
        others = [label for label in (self.hello.labels if self.hello else ()) if label not in top]
        return [*sorted(top.items(), key=lambda entry: -entry[1]), *((label, 0.0) for label in others)]

    def muted(self, source: str) -> bool:
        """Whether a source is snoozed, alone or with all."""
        return is_muted(self.state, source)

    def snoozed(self, name: str) -> list[str]:
        """The active snoozes that suppress a label or source: itself, its groups, or `all`."""
        groups = self.hello.groups if self.hello else {}
        return [what for what in self.state.snoozed if what in (name, EVERYTHING) or name in groups.get(what, ())]

    def span(self, event: messages.Event, now: float) -> tuple[float, float]:
        """When an event began and ended, in Unix time; an active one ends `now`."""
        began = now
        level = self.levels.get(event.source)
        if event.start is not None:
            began = datetime.fromisoformat(event.start).timestamp()
        elif level:  # events of a file have no time of day
            began = now - (level.at_s - event.start_s)
        if is_active(event):
            return began, max(now, began)
        return began, began + max(0.0, (event.end_s or event.start_s) - event.start_s)

    def _updated(self, message: messages.Level | messages.Spectrum | messages.Status | messages.State) -> "Scene":
        """The scene with the latest message of a kind."""
        match message:
            case messages.Level():
                return replace(self, levels={**self.levels, message.source: message})
            case messages.Spectrum():
                grown = self.spectrograms.get(message.source, Spectrogram()).with_columns(message)
                return replace(self, spectrograms={**self.spectrograms, message.source: grown})
            case messages.Status():
                return replace(self, status=message)
        return replace(self, state=message)

    def _with_hello(self, hello: messages.Hello) -> "Scene":
        """The scene after a greeting. Events that an earlier daemon left open will not be ended by this one."""
        events = self.events
        if self.hello and hello.pid != self.hello.pid:
            events = {key: messages.cut_off(event) if is_active(event) else event for key, event in events.items()}
        return replace(self._with_sources(hello.sources), hello=hello, events=events, absence=None)

    def _with_sources(self, sources: Sequence[str]) -> "Scene":
        """The scene without the levels and spectrograms of other sources."""
        levels = {name: level for name, level in self.levels.items() if name in sources}
        spectrograms = {name: known for name, known in self.spectrograms.items() if name in sources}
        return replace(self, levels=levels, spectrograms=spectrograms)

    def _with_event(self, event: messages.Event) -> "Scene":
        known = self.events.get(event.id)
        if known and known.seq > event.seq:  # replayed after a reconnection
            return self
        events = {**self.events, event.id: event}
        return replace(self, events=dict(islice(events.items(), max(0, len(events) - EVENTS), None)))


def is_active(event: messages.Event) -> bool:
    """Whether an event has not ended."""
    return event.phase in ("start", "update")
