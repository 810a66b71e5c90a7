"""What users change while the daemon runs: snoozes, muted sources, the labels to listen for, thresholds.

One object serves the control socket, MQTT and the display.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from listener import messages
from listener.base.clocks import uptime
from listener.base.label_names import resolve_label
from listener.errors import ConfigError, ListenerError
from listener.messages import Command, Event, State, wall_clock

EVERYTHING = "all"
STEP_S = 1.0  # the wall clock was set if it moved by more than this against the ticks

Reload = Callable[[], Sequence[str]]  # returns what only a restart changes; raises ListenerError
Test = Callable[[str], Sequence[str]]  # label -> the sinks that got a test event of it
Retune = Callable[[str, float | None], None]  # label, and its new on-threshold or None for the configured one


class Controls:
    """The state of the controls, and the filter that follows from it. For any thread.

    Args:
        labels: The labels of events.
        groups: The labels of each group.
        sources: The names of the sources.
        retune: Sets a threshold.
        clock: The wall clock.
        ticks: A clock that nobody sets.
        reload: Reads the configuration again.
        test: Sends a test event.
    """

    def __init__(
        self,
        labels: Sequence[str],
        groups: Mapping[str, Sequence[str]],
        sources: Sequence[str],
        retune: Retune = lambda _label, _on: None,
        clock: Callable[[], float] = time.time,
        *,
        ticks: Callable[[], float] = uptime,
        reload: Reload | None = None,
        test: Test | None = None,
    ) -> None:
        self._labels, self._groups, self._sources = tuple(labels), groups, tuple(sources)
        self._retune, self._clock, self._ticks, self._reload = retune, clock, ticks, reload
        self._test = test
        self._epoch = clock() - self._ticks()  # Unix time of tick 0
        self._restart: tuple[str, ...] = ()
        self._lock = threading.RLock()
        self._snoozed: dict[str, float | None] = {}  # label, group, source or EVERYTHING -> until (ticks); None: no end
        self._wanted: dict[str, tuple[str, ...]] = {}  # source -> labels, if not all
        self._thresholds: dict[str, float] = {}
        self._passed: set[str] = set()  # ids of running events that have passed: their ends must follow
        self._expired = False  # since watchers were last called
        self._watchers: list[Callable[[State], None]] = []
        self._notifying = threading.Lock()  # so that the last call has the latest state

    def watch(self, watcher: Callable[[State], None]) -> None:
        """Call `watcher` with the state after each change, from any thread. It must not block."""
        with self._lock:
            self._watchers = [*self._watchers, watcher]

    def unwatch(self, watcher: Callable[[State], None]) -> None:
        """Stop calling `watcher`."""
        with self._lock:
            self._watchers = [other for other in self._watchers if other != watcher]

    def reconfigure(
        self, labels: Sequence[str], groups: Mapping[str, Sequence[str]], restart: Sequence[str] = ()
    ) -> None:
        """Continue with other labels and groups. Changes by users stay, except for names that are gone.

        Args:
            labels: The labels of events.
            groups: The labels of each group.
            restart: Sections of the configuration that have changed, and that only a restart applies.
        """
        with self._lock:
            self._restart = tuple(restart)
            self._labels, self._groups = tuple(labels), groups
            names = (*labels, *groups, *self._sources, EVERYTHING)
            self._snoozed = {what: until for what, until in self._snoozed.items() if what in names}
            self._thresholds = {label: on for label, on in self._thresholds.items() if label in labels}
            self._wanted = _still_there(self._wanted, labels)
        self._notify()

    def allows(self, event: Event) -> bool:
        """Tell whether an event line passes. After one line of an event has passed, all others pass, up to the end."""
        with self._lock:
            begun = event.id in self._passed
            passes = begun or (event.phase != "end" and not self.is_suppressed(event))
            if passes and event.phase in ("start", "update"):
                self._passed.add(event.id)
            else:
                self._passed.discard(event.id)
            return passes

    def execute(self, command: Command) -> State:
        """Execute a command.

        Returns:
            The state after it.

        Raises:
            ValueError: The command is refused.
        """
        if command.command == "reload":
            return self._reloaded()
        if command.command == "test":
            return self._tested(command.what)
        with self._lock:
            match command.command:
                case "snooze":
                    self._snooze(command.what, command.for_s)
                case "wake":
                    self._snoozed.pop(self._known(command.what), None)
                case "listen":
                    self._listen(command.what, command.labels)
                case "threshold":
                    self._threshold(command.what, command.on)
                case "state":
                    return self.state()
        self._notify()
        return self.state()

    def state(self) -> State:
        """Return the current state."""
        with self._lock:
            self._forget_expired()
            self._follow_clock()
            return State(
                snoozed={
                    what: None if until is None else wall_clock(self._epoch + until)
                    for what, until in self._snoozed.items()
                },
                listening_for={source: list(labels) for source, labels in self._wanted.items()},
                thresholds=dict(self._thresholds),
                restart=list(self._restart),
            )

    def tick(self) -> None:
        """Notify watchers of snoozes that have ended. Call about once a second."""
        with self._lock:
            self._forget_expired()
            expired, self._expired = self._expired, False
        if expired:
            self._notify()

    def is_suppressed(self, event: Event) -> bool:
        """Tell whether a snooze or a selection of labels suppresses an event now, even if its start has passed."""
        with self._lock:
            self._forget_expired()
            wanted = self._wanted.get(event.source)
            return (wanted is not None and event.label not in wanted) or any(
                what in (event.label, event.source, EVERYTHING) or event.label in self._groups.get(what, ())
                for what in self._snoozed
            )

    def _reloaded(self) -> State:
        """Without the lock: it is done by another thread, which needs it."""
        if self._reload is None:
            raise ValueError("there is no configuration to read again")
        try:
            restart = tuple(self._reload())
        except ListenerError as err:
            raise ValueError(str(err)) from err
        with self._lock:
            self._restart = restart
        return self.state()

    def _tested(self, what: str) -> State:
        """Send a test event, by default of the label that matters most."""
        if self._test is None:
            raise ValueError("there are no sinks here to test")
        with self._lock:
            labels = [label for label in ("smoke_alarm", *self._labels) if label in self._labels]
            label = _resolved(what, self._labels) if what or not labels else labels[0]
        return messages.with_tested(self.state(), self._test(label))

    def _follow_clock(self) -> None:
        """Follow the wall clock if it was set; small differences must not change the times of a state."""
        epoch = self._clock() - self._ticks()
        if abs(epoch - self._epoch) > STEP_S:
            self._epoch = epoch

    def _forget_expired(self) -> None:
        now = self._ticks()
        for what in [what for what, until in self._snoozed.items() if until is not None and until <= now]:
            del self._snoozed[what]
            self._expired = True

    def _snooze(self, what: str, for_s: float | None) -> None:
        if for_s is not None and not 0 < for_s <= messages.LONGEST_SNOOZE_S:
            raise ValueError(f"invalid duration {for_s:g} s. Give more than 0 s and at most a year.")
        self._snoozed[self._known(what)] = None if for_s is None else self._ticks() + for_s

    def _listen(self, source: str, labels: Sequence[str] | None) -> None:
        source = _resolved(source, self._sources)
        if labels is None:
            self._wanted.pop(source, None)
            return
        names = [_resolved(name, (*self._labels, *self._groups)) for name in labels]
        self._wanted[source] = tuple(label for name in names for label in self._groups.get(name, (name,)))

    def _threshold(self, label: str, on: float | None) -> None:
        label = _resolved(label, self._labels)
        if on is not None and not 0 < on < 1:
            raise ValueError(f"invalid threshold {on:g}. Give a number between 0 and 1.")
        self._retune(label, on)
        if on is None:
            self._thresholds.pop(label, None)
        else:
            self._thresholds[label] = on

    def _known(self, what: str) -> str:
        return _resolved(what, (*self._labels, *self._groups, *self._sources, EVERYTHING))

    def _notify(self) -> None:
        with self._notifying:
            state = self.state()
            for watcher in self._watchers:
                watcher(state)


def _resolved(name: str, known: Sequence[str]) -> str:
    """Return the known name that a user means. Raises ValueError if there is none."""
    try:
        return resolve_label(name, known)
    except ConfigError as err:
        raise ValueError(str(err)) from err


def _still_there(wanted: Mapping[str, Sequence[str]], labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the selections without labels that are gone. A source with nothing left listens for all labels again."""
    left = {source: tuple(label for label in names if label in labels) for source, names in wanted.items()}
    return {source: names for source, names in left.items() if names or not wanted[source]}


def is_muted(state: State, source: str) -> bool:
    """Tell whether all events of a source are suppressed."""
    return source in state.snoozed or EVERYTHING in state.snoozed
