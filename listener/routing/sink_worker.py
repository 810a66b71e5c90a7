"""A sink, what it may want of the daemon, and its outbox with the thread that drains it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from listener.errors import ListenerError, OutputClosed, SinkError
from listener.messages import Event, Hello, Level, Spectrum, Status
from listener.routing.channel import Channel
from listener.routing.controls import Controls
from listener.routing.recorder import Recorder

log = logging.getLogger(__name__)

OUTBOX_EVENTS = 256
RETRY_S = 15.0  # a sink that could not be opened is tried so often


class Sink(Protocol):
    """Where events go. `emit` is called by a thread of its own, and may take its time."""

    def open(self) -> None: ...

    def emit(self, event: Event) -> None: ...

    def close(self) -> None: ...


@runtime_checkable
class Viewer(Protocol):
    """A sink that also wants to know how the daemon is doing. `show` neither blocks nor raises."""

    @property
    def watched(self) -> bool: ...  # whether anybody looks at levels just now

    def show(self, message: Level | Status) -> None: ...


@runtime_checkable
class Picturing(Protocol):
    """A sink that can show the live spectrogram. `picture` neither blocks nor raises, whatever thread calls it."""

    @property
    def pictured(self) -> bool: ...  # whether anybody looks at it just now

    def picture(self, spectrum: Spectrum) -> None: ...


@runtime_checkable
class Steering(Protocol):
    """A sink whose receivers may change what the daemon does: it is given the controls before it is opened."""

    def steer(self, controls: Controls) -> None: ...


@runtime_checkable
class Recording(Protocol):
    """A sink that may want the audio of events: then it is given each source's recorder before it is opened."""

    @property
    def records(self) -> bool: ...

    def hear(self, recorder: Recorder) -> None: ...


@runtime_checkable
class Greeting(Protocol):
    """A sink that tells its receivers who we are: it is told when that changes. ConfigError where it cannot be said."""

    def greet(self, hello: Hello) -> None: ...


@runtime_checkable
class Queueing(Protocol):
    """A sink that delivers in its own time, and counts what waits in it and what it gave up."""

    @property
    def waiting(self) -> int: ...

    @property
    def lost(self) -> int: ...


def _everything(_event: Event) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Route:
    """A sink, its name in logs and status lines, and which events it is to get.

    One that cannot be opened is tried again and again where `spared` names the error: SinkError, say, of a sink that
    the daemon may run without. Any other keeps the daemon from running.
    """

    name: str
    sink: Sink
    admits: Callable[[Event], bool] = _everything
    spared: tuple[type[Exception], ...] = ()


class Outlet:
    """A sink with its outbox and the thread that drains it: a hung sink hangs nobody else."""

    def __init__(self, route: Route, stop: Callable[[], None], retry_s: float = RETRY_S) -> None:
        self.name, self.sink, self._admits = route.name, route.sink, route.admits
        self.is_open = False
        self.is_absent = False  # the sink could not be opened yet
        self._retry_s = retry_s
        self._spared = route.spared
        self._outbox: Channel[Event] = Channel(OUTBOX_EVENTS, "drop_oldest")
        self._stop = stop
        self.late = 0  # events that came when no more was taken
        self._failed = 0  # events that the sink refused
        self._failing_since: int | None = None  # how many it had refused when it began to
        self._dropping_since: float | None = None  # how many the outbox had dropped when it began to
        self._said_lost = 0.0
        self.thread = threading.Thread(target=self._drain, name=f"sink {route.name}", daemon=True)
        self._lock = threading.Lock()  # streams offer from threads of their own, and a filter is for one at a time

    @property
    def lost(self) -> int:
        """Events that did not get out: too many waiting, too late at the stop, refused by the sink, given up by it."""
        given_up = self.sink.lost if isinstance(self.sink, Queueing) else 0
        return int(self._outbox.lost) + self.late + self._failed + given_up

    @property
    def waiting(self) -> int:
        """Events that wait to be delivered."""
        return int(self._outbox.waiting) + (self.sink.waiting if isinstance(self.sink, Queueing) else 0)

    def open(self) -> None:
        """What keeps the sink from opening, where it is not spared."""
        try:
            self.sink.open()
        except Exception as err:
            if not isinstance(err, self._spared):
                self.sink.close()  # what it was given, the controls for instance, need not know it any more
                raise
            fault = None if isinstance(err, ListenerError) else err
            log.error("sink %s: %s. It is tried again, the others serve", self.name, err, exc_info=fault)  # noqa: TRY400
            self.is_absent = True
        self.thread.start()
        self.is_open = True

    def take(self, route: Route) -> None:
        """Go on with the same sink by another name, and with other events."""
        with self._lock:
            self.name, self._admits = route.name, route.admits

    def offer(self, event: Event) -> None:
        with self._lock:
            if self._admits(event) and not self._outbox.put(event):
                self.late += 1

    def say_what_was_lost(self) -> None:
        """Log that the sink does not keep up, or is not there, once an episode: to be called about once a second."""
        lost, before = self._outbox.lost, self._said_lost
        self._said_lost = lost
        if lost > before and self._dropping_since is None:
            self._dropping_since = before
            absent = "sink %s: is not open yet; its oldest events are dropped"
            slow = "sink %s: does not keep up, or hangs; its oldest events are dropped"
            log.warning(absent if self.is_absent else slow, self.name)
        elif self._dropping_since is not None and not self._outbox.waiting:
            log.info("sink %s: keeps up again; events lost: %d", self.name, lost - self._dropping_since)
            self._dropping_since = None

    def finish(self) -> None:
        """No more events: the sink's thread ends once it has delivered what is waiting."""
        self._outbox.close()

    def _drain(self) -> None:
        """Deliver until no more comes, then close: here, so that a sink that hangs in it hangs only this thread."""
        try:
            if self.is_absent:
                self._open_later()
            self._deliver()
            self.sink.close()
        except Exception as err:  # noqa: BLE001 - whatever a sink does, the others go on
            self._count(err)

    def _open_later(self) -> None:
        """Try until it opens. What waits when no more comes is lost."""
        while not self._outbox.closed_within(self._retry_s):
            try:
                self.sink.open()
            except Exception as err:  # noqa: BLE001 - whatever it is, it may pass
                log.debug("sink %s: %s", self.name, err)
                continue
            self.is_absent = False
            log.info("sink %s: is open now; events lost: %d", self.name, self.lost)
            return
        self._failed += self._outbox.discard()

    def _deliver(self) -> None:
        for event in self._outbox:
            try:
                self.sink.emit(event)
            except OutputClosed:
                self._stop()
                return
            except Exception as err:  # noqa: BLE001 - likewise
                self._count(err)
            else:
                self._note_success()

    def _count(self, err: Exception) -> None:
        """A failing sink is its own trouble: said once an episode, and counted."""
        self._failed += 1
        if self._failing_since is not None:
            log.debug("sink %s: %s (%d events lost)", self.name, err, self._failed)
            return
        self._failing_since = self._failed - 1
        log.warning("sink %s: %s", self.name, err, exc_info=None if isinstance(err, SinkError) else err)

    def _note_success(self) -> None:
        if self._failing_since is not None:
            log.info("sink %s: works again; events lost: %d", self.name, self._failed - self._failing_since)
            self._failing_since = None
