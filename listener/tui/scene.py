"""All that a display was told: the latest of every kind of message, and the events of late."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from listener import messages
from listener.base.text import plain
from listener.routing.controls import EVERYTHING, is_muted
from listener.tui.spectrogram import Spectrogram

EVENTS = 200  # remembered for list and timeline

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
    """Since when there is no daemon to hear from, and why."""

    since: float  # Unix
    why: str


@dataclass(frozen=True, slots=True)
class Scene:
    """The latest of everything that a display was told. Frozen, so it can be drawn while the next is made."""

    hello: messages.Hello | None = None  # None: no daemon has been met yet
    levels: dict[str, messages.Level] = field(default_factory=dict)
    spectrograms: dict[str, Spectrogram] = field(default_factory=dict)
    status: messages.Status | None = None
    state: messages.State = UNCHANGED
    events: dict[str, messages.Event] = field(default_factory=dict)  # by id, the oldest first
    notice: str = ""
    absence: Absence | None = None

    def after(self, message: Shown) -> "Scene":
        """The scene with one more message taken in."""
        match message:
            case messages.Event():
                return self._heard(message)
            case messages.Level():
                return replace(self, levels={**self.levels, message.source: message})
            case messages.Spectrum():
                grown = self.spectrograms.get(message.source, Spectrogram()).after(message)
                return replace(self, spectrograms={**self.spectrograms, message.source: grown})
            case messages.Hello():
                return self._greeted(message)
        return self._informed(message)

    def noting(self, notice: str) -> "Scene":
        """The scene with a word at its foot."""
        return replace(self, notice=plain(notice))

    def absent(self, since: float, why: str) -> "Scene":
        """The scene without a daemon. Of one that has gone, when and why is said until there is another."""
        if self.absence and self.hello:
            return self
        return replace(self, absence=Absence(self.absence.since if self.absence else since, plain(why)))

    @property
    def sources(self) -> list[str]:
        """Their names, in the order of the configuration."""
        return list(dict.fromkeys([*(self.hello.sources if self.hello else ()), *self.levels]))

    def threshold(self, label: str) -> float | None:
        """What is in force for a label."""
        configured = self.hello.thresholds.get(label) if self.hello else None
        return self.state.thresholds.get(label, configured)

    def ranked(self, source: str) -> list[tuple[str, float]]:
        """Every label with its score: those that score first, then the others as the model has them."""
        level = self.levels.get(source)
        top = level.top if level else {}
        others = [label for label in (self.hello.labels if self.hello else ()) if label not in top]
        return [*sorted(top.items(), key=lambda entry: -entry[1]), *((label, 0.0) for label in others)]

    def muted(self, source: str) -> bool:
        """Whether nothing of a source is reported."""
        return is_muted(self.state, source)

    def snoozed(self, name: str) -> list[str]:
        """What of that which is snoozed keeps a label or a source from being reported: itself, its groups, all."""
        groups = self.hello.groups if self.hello else {}
        return [what for what in self.state.snoozed if what in (name, EVERYTHING) or name in groups.get(what, ())]

    def span(self, event: messages.Event, now: float) -> tuple[float, float]:
        """When an event began and ended, in Unix time; `now` where it goes on."""
        began = now
        level = self.levels.get(event.source)
        if event.start is not None:
            began = datetime.fromisoformat(event.start).timestamp()
        elif level:  # a file has no time of day
            began = now - (level.at_s - event.start_s)
        if is_on(event):
            return began, max(now, began)
        return began, began + max(0.0, (event.end_s or event.start_s) - event.start_s)

    def _informed(self, message: messages.Status | messages.State | messages.Refusal) -> "Scene":
        match message:
            case messages.Status():
                return replace(self, status=message)
            case messages.State():
                return replace(self, state=message)
        return self.noting(f"refused: {message.message}")

    def _greeted(self, hello: messages.Hello) -> "Scene":
        """A daemon was met, or says who it is now. What another one has left open will never be ended by this one."""
        events = self.events
        if self.hello and hello.pid != self.hello.pid:
            events = {key: messages.cut_off(event) if is_on(event) else event for key, event in events.items()}
        known = self._of(hello.sources)
        return replace(known, hello=hello, events=events, absence=None)

    def _of(self, sources: Sequence[str]) -> "Scene":
        """The scene without what other sources gave: those of a daemon that had other names for them."""
        levels = {name: level for name, level in self.levels.items() if name in sources}
        spectrograms = {name: heard for name, heard in self.spectrograms.items() if name in sources}
        return replace(self, levels=levels, spectrograms=spectrograms)

    def _heard(self, event: messages.Event) -> "Scene":
        known = self.events.get(event.id)
        if known and known.seq > event.seq:  # told again, to one who came back
            return self
        events = {**self.events, event.id: event}
        return replace(self, events=dict(islice(events.items(), max(0, len(events) - EVENTS), None)))


def is_on(event: messages.Event) -> bool:
    """Whether it goes on."""
    return event.phase in ("start", "update")
