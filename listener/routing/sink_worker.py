"""The queue in front of a sink, and the thread that drains it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from listener.base.incidents import IncidentLog
from listener.errors import ListenerError, OutputClosed
from listener.messages import Event
from listener.routing.channel import Channel
from listener.routing.sink import BaseSink

log = logging.getLogger(__name__)

QUEUE_EVENTS = 256
RETRY_S = 15.0  # between attempts to open a sink


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
        self._retry_s, self._retry_on = retry_s, binding.retry_on
        self._queue: Channel[Event] = Channel(QUEUE_EVENTS, "drop_oldest")
        self._stop = stop
        self.late = 0  # events that came after the queue was closed
        self._failed = 0  # events that the sink did not accept
        self._failed_before = self._dropped_before = 0  # at the beginning of the incident
        self._dropped_at_tick = 0
        self._failures = IncidentLog(f"sink {binding.name}", log)
        self._overload = IncidentLog(f"sink {binding.name}", log)
        self.thread = threading.Thread(target=self._drain, name=f"sink {binding.name}", daemon=True)
        self._lock = threading.Lock()  # streams offer from several threads, and filters are not thread-safe

    @property
    def lost(self) -> int:
        """Events that were not delivered: pushed out of the queue, too late, refused by the sink, or given up by it."""
        return int(self._queue.lost) + self.late + self._failed + self.sink.lost

    @property
    def waiting(self) -> int:
        """Events that wait to be delivered."""
        return int(self._queue.waiting) + self.sink.waiting

    def open(self) -> None:
        """Open the sink and start its thread.

        Raises:
            Exception: The sink cannot be opened, and the error is not one to retry on.
        """
        try:
            self.sink.open()
        except Exception as err:
            if not isinstance(err, self._retry_on):
                self.sink.close()  # it may be registered with the controls
                raise
            bug = None if isinstance(err, ListenerError) else err
            log.error("sink %s: %s Other sinks work; this one is retried.", self.name, _sentence(err), exc_info=bug)  # noqa: TRY400
            self.is_absent = True
        self.thread.start()
        self.is_open = True

    def rebind(self, binding: SinkBinding) -> None:
        """Continue with the same sink under another name and with another filter."""
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
        """Log, once per incident, that the sink is too slow or absent. Call about once a second."""
        dropped = int(self._queue.lost)
        if dropped > self._dropped_at_tick:
            if not self._overload.is_open:
                self._dropped_before = self._dropped_at_tick
            problem = "is not open yet" if self.is_absent else "is too slow, or hangs"
            self._overload.report(f"{problem}; its oldest events are dropped", "dropped")
        elif not self._queue.waiting:
            self._overload.resolve(f"keeps up again; events lost: {dropped - self._dropped_before}")
        self._dropped_at_tick = dropped

    def finish(self) -> None:
        """Accept no more events. The thread ends once it has delivered those that wait."""
        self._queue.close()

    def _drain(self) -> None:
        """Deliver until the queue ends, then close the sink: in this thread, because closing may hang, too."""
        try:
            if self.is_absent:
                self._open_later()
            self._deliver()
            self.sink.close()
        except Exception as err:  # noqa: BLE001 - an error of one sink does not affect the others
            self._count_failure(err)

    def _open_later(self) -> None:
        """Retry until the sink opens. Events that wait when the queue ends are lost."""
        while not self._queue.closed_within(self._retry_s):
            try:
                self.sink.open()
            except Exception as err:  # noqa: BLE001 - it may pass
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
                self._count_failure(err)
            else:
                self._failures.resolve(f"works again; events lost: {self._failed - self._failed_before}")

    def _count_failure(self, err: Exception) -> None:
        if not self._failures.is_open:
            self._failed_before = self._failed
        self._failed += 1
        bug = None if isinstance(err, ListenerError) else err
        self._failures.report(str(err) or repr(err), "failed", exc_info=bug)


def _sentence(err: Exception) -> str:
    text = str(err) or repr(err)
    return text if text.endswith(".") else f"{text}."
