"""The daemon: starts and stops all threads in order, and looks after them while they run."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from listener.daemon.cpu import CpuShare
from listener.daemon.stream import Stream
from listener.daemon.systemd import notify
from listener.errors import ListenerError
from listener.messages import Event, Spectrum, Status, renamed_source
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from listener.routing.sink_worker import QUEUE_EVENTS, SinkBinding, SinkWorker

log = logging.getLogger(__name__)

STOP_S = 1.8  # for the whole stop, including the last deliveries of the sinks
METER_S = 0.1
STATUS_S = 1.0

Reload = Callable[[], str]  # applies a new configuration and returns a report; raises ListenerError if it refuses


class Daemon:
    """Streams publish events to it, and it passes them to the workers of the sinks.

    Args:
        controls: What users have snoozed and changed.
        tell: Receives state notifications for systemd.
        on_tick: Called about once a second by the thread in `run`.
    """

    def __init__(
        self,
        controls: Controls | None = None,
        tell: Callable[..., object] = notify,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._tell, self._on_tick = tell, on_tick
        self._controls = controls or Controls((), {}, ())
        self._streams: dict[str, Stream] = {}
        self._workers: Sequence[SinkWorker] = ()  # replaced as a whole
        self._publishing = threading.Lock()  # workers are not exchanged while a stream offers an event
        self._during_exchange: deque[Event] | None = None  # published since the last exchange of workers began
        self._ended: set[str] = set()
        self._error: ListenerError | None = None
        self._unfinished: list[str] = []
        self._retired_lost = False  # whether a sink that was closed left events behind
        self._stopping = self._stopped = False
        self._wake: SimpleQueue[tuple[Reload, Future[str]] | None] = SimpleQueue()  # safe in signal handlers
        self._reloading: Future[str] | None = None
        self._last_reload = ""  # report, for systemd
        self._began = time.monotonic()
        self._cpu = CpuShare()

    def stop(self) -> None:
        """Make `run` return soon. For any thread and for signal handlers."""
        self._stopping = True
        self._wake.put(None)

    def reload(self, change: Reload) -> "Future[str]":
        """Make `run` call `change` soon. For any thread and for signal handlers.

        Returns:
            The report of `change`, or the error with which it refused. It is done before a sink is closed that
            takes commands, because that sink may be waiting for it. Cancelled if the daemon stops first.
        """
        future: Future[str] = Future()
        self._wake.put((change, future))
        if self._stopped:
            future.cancel()
        return future

    @property
    def lossless(self) -> bool:
        """After `run`: whether every event was delivered and every thread has ended."""
        return not (self._unfinished or self._retired_lost or any(worker.lost for worker in self._workers))

    def publish(self, event: Event) -> None:
        """Offer an event to every sink, unless the user's controls suppress it."""
        if not self._controls.allows(event):
            return
        if (stream := self._streams.get(event.source)) and stream.substitute_name:
            event = renamed_source(event, stream.substitute_name)
        with self._publishing:
            if self._during_exchange is not None:
                self._during_exchange.append(event)
            for worker in self._workers:
                worker.offer(event)

    def publish_test(self, event: Event) -> list[str]:
        """Offer a test event to every sink, whatever is snoozed.

        Returns:
            The names of the sinks whose filters let it pass.
        """
        with self._publishing:
            return [worker.name for worker in self._workers if worker.offer(event)]

    def wants_spectrum(self) -> bool:
        """Return whether anybody watches the live spectrogram."""
        return any(worker.sink.wants_spectrum for worker in self._workers)

    def on_spectrum(self, spectrum: Spectrum) -> None:
        """Pass columns of the live spectrogram to the sinks."""
        for worker in self._workers:
            worker.sink.on_spectrum(spectrum)

    def ended(self, name: str, error: ListenerError | None) -> None:
        """Note that a stream has ended. The daemon stops on an error, and when no stream is left."""
        self._error = self._error or error
        self._ended.add(name)
        if error or self._ended >= self._streams.keys():
            self.stop()

    def run(self, streams: Sequence[Stream], bindings: Sequence[SinkBinding]) -> None:
        """Start everything, look after it until all sources have ended or `stop` is called, and stop everything.

        Raises:
            ListenerError: A source or sink failed.
        """
        self._streams = {stream.name: stream for stream in streams}
        try:
            self.reconfigure(bindings)
            for stream in streams:
                stream.open()
            self._tell("READY=1")
            self._look_after()
        finally:
            self._shut_down()
        if self._error:
            raise self._error

    def reconfigure(self, bindings: Sequence[SinkBinding]) -> None:
        """Exchange the sinks. Those that are open and still bound stay open. For the thread in `run`.

        Old sinks are closed before new ones are opened, because both may want the same file or port; an event of that
        moment waits in the queues of the new ones. If one cannot be opened, its error is raised, and the sinks of the
        next call also get the events that came meanwhile.
        """
        before, open_workers = self._workers, {id(each.sink): each for each in self._workers if each.is_open}
        workers = [open_workers.get(id(binding.sink)) or SinkWorker(binding, self.stop) for binding in bindings]
        with self._publishing:
            for event in self._during_exchange or ():
                for worker in workers:
                    if worker not in before:
                        worker.offer(event)
            self._during_exchange = deque(maxlen=QUEUE_EVENTS)
            self._workers = workers
        self._retire([worker for worker in before if worker not in workers])
        self._record()
        for worker, binding in zip(workers, bindings, strict=True):
            if worker.is_open:
                worker.rebind(binding)
            else:
                worker.sink.set_controls(self._controls)
                worker.open()
        with self._publishing:
            self._during_exchange = None

    def _retire(self, workers: Sequence[SinkWorker]) -> None:
        closing = [worker for worker in workers if worker.is_open]
        if self._reloading and any(_takes_commands(worker.sink) for worker in closing):
            self._reloading.set_result("")
            self._reloading = None
        for worker in workers:
            worker.finish()
        _join([worker.thread for worker in closing], time.monotonic() + STOP_S)
        for worker in closing:
            self._retired_lost |= worker.thread.is_alive() or worker.lost > 0
            if worker.thread.is_alive():
                log.warning("sink %s: did not close in %.1f s", worker.name, STOP_S)

    def _record(self) -> None:
        """Keep the recent audio of the sources if a sink wants it, and none otherwise."""
        wanting = [worker for worker in self._workers if worker.sink.wants_audio]
        for stream in self._streams.values():
            if not wanting:
                stream.forget()
            for worker in wanting:
                if not worker.is_open:
                    worker.sink.add_recorder(stream.record())

    def _look_after(self) -> None:
        status_due = time.monotonic()
        while not self._stopping:
            sinks = [worker.sink for worker in self._workers if not worker.is_absent]
            watching = [sink for sink in sinks if sink.wants_levels]
            self._sleep(METER_S if watching else STATUS_S)
            for stream in self._streams.values() if watching else ():
                level = stream.level()
                for sink in watching:
                    sink.on_level(level)
            if time.monotonic() >= status_due:
                status_due = time.monotonic() + STATUS_S
                self._tick(sinks)

    def _sleep(self, seconds: float) -> None:
        """Wait until it is time or `stop` is called, or do a reload that was asked for."""
        try:
            request = self._wake.get(timeout=seconds)
        except Empty:
            return
        if request and not self._stopping:
            self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            report = " ".join(self._reloaded(*request).splitlines())
            self._tell("READY=1", f"STATUS={report}")
            self._last_reload = f"; {report}"
        elif request:
            request[1].cancel()

    def _reloaded(self, change: Reload, future: "Future[str]") -> str:
        self._reloading = future
        try:
            report = change()
        except ListenerError as err:
            report = f"reload refused: {err}"
            if self._reloading:
                future.set_exception(err)
        else:
            if self._reloading:
                future.set_result(report)
        self._reloading = None
        return report

    def _tick(self, sinks: Sequence[BaseSink]) -> None:
        self._controls.tick()
        self._on_tick()
        status = self.status()
        for sink in sinks:
            sink.on_status(status)
        for stream in self._streams.values():
            stream.report_losses(time.monotonic())
        for worker in self._workers:
            worker.report_losses()
        self._tell(f"STATUS={_summary(status)}{self._last_reload}")
        if all(stream.healthy(time.monotonic()) for stream in self._streams.values()):
            self._tell("WATCHDOG=1")

    def status(self) -> Status:
        """Return the state of all sources and sinks."""
        return Status(
            uptime_s=round(time.monotonic() - self._began, 1),
            cpu=self._cpu.share(),
            sources={name: stream.status() for name, stream in self._streams.items()},
            sinks={worker.name: worker.lost for worker in self._workers},
            waiting={worker.name: worker.waiting for worker in self._workers},
        )

    def _shut_down(self) -> None:
        """Stop in the direction of the audio: close streams, wait for their last events, let the sinks deliver."""
        self._tell("STOPPING=1")
        self._stopping = True
        deadline = time.monotonic() + STOP_S
        for stream in self._streams.values():
            stream.close()
        listening = [thread for stream in self._streams.values() for thread in stream.threads]
        _join(listening, time.monotonic() + STOP_S / 2)
        for worker in self._workers:
            worker.finish()
        draining = [worker.thread for worker in self._workers if worker.is_open]
        _join([*draining, *listening], deadline)
        for worker in self._workers:
            if worker.late:
                log.warning("sink %s: lost %d events that came too late at the stop", worker.name, worker.late)
        self._unfinished = [thread.name for thread in [*listening, *draining] if thread.is_alive()]
        if self._unfinished:
            log.warning("did not stop in %.1f s: %s", STOP_S, ", ".join(self._unfinished))
        self._on_tick()
        self._stopped = True
        while not self._wake.empty():
            self._sleep(0)


def _takes_commands(sink: BaseSink) -> bool:
    return type(sink).set_controls is not BaseSink.set_controls


def _summary(status: Status) -> str:
    return ", ".join(
        f"{name}: {source.state}{f' ({source.trouble})' if source.trouble else ''}"
        for name, source in status.sources.items()
    )


def _join(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
