"""The queue in front of a sink, and the thread that drains it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from listener.errors import ListenerError, OutputClosed, SinkError
from listener.messages import Event
from listener.routing.channel import Channel
from listener.routing.sink import BaseSink

log = logging.getLogger(__name__)

QUEUE_EVENTS = 256
RETRY_S = 15.0  # a sink that could not be opened is tried so often


def _everything(_event: Event) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class SinkBinding:
    """A sink with its place in the daemon.

    Attributes:
        name: Its name in logs and status lines.
        sink: The sink.
        accepts: Whether the sink gets an event line.
        retry_on: Errors of `open` after which the daemon runs without the sink and tries again. Any other error of
            `open` keeps the daemon from starting.
    """

    name: str
    sink: BaseSink
    accepts: Callable[[Event], bool] = _everything
    retry_on: tuple[type[Exception], ...] = ()


class SinkWorker:
    """A sink with its queue and the thread that drains it, so that a sink that hangs holds up no other."""

    def __init__(self, binding: SinkBinding, stop: Callable[[], None], retry_s: float = RETRY_S) -> None:
        self.name, self.sink, self._accepts = binding.name, binding.sink, binding.accepts
        self.is_open = False
        self.is_absent = False  # the sink could not be opened yet
        self._retry_s = retry_s
        self._retry_on = binding.retry_on
        self._queue: Channel[Event] = Channel(QUEUE_EVENTS, "drop_oldest")
        self._stop = stop
        self.late = 0  # events that came when no more was taken
        self._failed = 0  # events that the sink refused
        self._failing_since: int | None = None  # how many it had refused when it began to
        self._dropping_since: float | None = None  # how many the outbox had dropped when it began to
        self._said_lost = 0.0
        self.thread = threading.Thread(target=self._drain, name=f"sink {binding.name}", daemon=True)
        self._lock = threading.Lock()  # streams offer from threads of their own, and a filter is for one at a time

    @property
    def lost(self) -> int:
        """Events that did not get out: too many waiting, too late at the stop, refused by the sink, given up by it."""
        return int(self._queue.lost) + self.late + self._failed + self.sink.lost

    @property
    def waiting(self) -> int:
        """Events that wait to be delivered."""
        return int(self._queue.waiting) + self.sink.waiting

    def open(self) -> None:
        """What keeps the sink from opening, where it is not spared."""
        try:
            self.sink.open()
        except Exception as err:
            if not isinstance(err, self._retry_on):
                self.sink.close()  # what it was given, the controls for instance, need not know it any more
                raise
            fault = None if isinstance(err, ListenerError) else err
            log.error("sink %s: %s. It is tried again, the others serve", self.name, err, exc_info=fault)  # noqa: TRY400
            self.is_absent = True
        self.thread.start()
        self.is_open = True

    def rebind(self, binding: SinkBinding) -> None:
        """Go on with the same sink by another name, and with other events."""
        with self._lock:
            self.name, self._accepts = binding.name, binding.accepts

    def offer(self, event: Event) -> bool:
        """Queue an event; return whether the sink's filter lets it pass."""
        with self._lock:
            accepted = self._accepts(event)
            if accepted and not self._queue.put(event):
                self.late += 1
            return accepted

    def report_losses(self) -> None:
        """Log that the sink does not keep up, or is not there, once an episode: to be called about once a second."""
        lost, before = self._queue.lost, self._said_lost
        self._said_lost = lost
        if lost > before and self._dropping_since is None:
            self._dropping_since = before
            absent = "sink %s: is not open yet; its oldest events are dropped"
            slow = "sink %s: does not keep up, or hangs; its oldest events are dropped"
            log.warning(absent if self.is_absent else slow, self.name)
        elif self._dropping_since is not None and not self._queue.waiting:
            log.info("sink %s: keeps up again; events lost: %d", self.name, lost - self._dropping_since)
            self._dropping_since = None

    def finish(self) -> None:
        """No more events: the sink's thread ends once it has delivered what is waiting."""
        self._queue.close()

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
        while not self._queue.closed_within(self._retry_s):
            try:
                self.sink.open()
            except Exception as err:  # noqa: BLE001 - whatever it is, it may pass
                log.debug("sink %s: %s", self.name, err)
                continue
            self.is_absent = False
            log.info("sink %s: is open now; events lost: %d", self.name, self.lost)
            return
        self._failed += self._queue.discard()

    def _deliver(self) -> None:
        for event in self._queue:
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
