"""The daemon: threads, and their ordered start and stop."""

import logging
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from listener.daemon.stream import Stream
from listener.daemon.systemd import notify
from listener.errors import ListenerError
from listener.messages import Event, Spectrum, Status
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from listener.routing.sink_worker import QUEUE_EVENTS, SinkBinding, SinkWorker

log = logging.getLogger(__name__)

STOP_S = 1.8  # the whole stop, the sinks' last deliveries included
METER_S = 0.1
STATUS_S = 1.0


class Daemon:
    """Streams feed it, workers drain it. `run` returns when all sources have ended or `stop` was called.

    `tell` is given what systemd wants to know.
    """

    def __init__(self, controls: Controls | None = None, tell: Callable[..., object] = notify) -> None:
        self._tell = tell
        self._controls = controls or Controls((), {}, ())
        self._streams: dict[str, Stream] = {}
        self._workers: Sequence[SinkWorker] = ()  # replaced whole
        self._publishing = threading.Lock()  # no worker goes while a stream's thread is offering to it
        # What came while workers are exchanged: where that fails, those that come in their place have not had it.
        self._meanwhile: deque[Event] | None = None
        self._ended: set[str] = set()
        self._error: ListenerError | None = None
        self._unfinished: list[str] = []
        self._lossy = False  # a sink that has gone left events behind
        self._stopping = False
        # What is to be done soon. Unlike an Event, it may be put to by a signal handler.
        self._wake: SimpleQueue[Callable[[], str] | None] = SimpleQueue()
        self._news = ""  # what the last reload came to, for systemd
        self._began = time.monotonic()
        self._cpu = _CpuShare()

    def stop(self) -> None:
        """End `run` soon. For any thread and for signal handlers."""
        self._stopping = True
        self._wake.put(None)

    def reload(self, change: Callable[[], str]) -> None:
        """Have `run` call `change` soon, and tell systemd what it returns. For any thread and for signal handlers."""
        self._wake.put(change)

    @property
    def lossless(self) -> bool:
        """After `run`: whether every event got out, and every thread has ended."""
        return not (self._unfinished or self._lossy or any(worker.lost for worker in self._workers))

    def publish(self, event: Event) -> None:
        """Offer an event to every sink, unless a user has asked not to be told of it."""
        if not self._controls.admits(event):
            return
        with self._publishing:
            if self._meanwhile is not None:
                self._meanwhile.append(event)
            for worker in self._workers:
                worker.offer(event)

    def wants_spectrum(self) -> bool:
        """Whether anybody looks at the live spectrogram."""
        return any(worker.sink.wants_spectrum for worker in self._workers)

    def on_spectrum(self, spectrum: Spectrum) -> None:
        """Show columns of the spectrogram to those who look."""
        for worker in self._workers:
            worker.sink.on_spectrum(spectrum)

    def ended(self, name: str, error: ListenerError | None) -> None:
        """A stream has ended, well or with an error. The daemon stops on an error or when no stream is left."""
        self._error = self._error or error
        self._ended.add(name)
        if error or self._ended >= self._streams.keys():
            self.stop()

    def run(self, streams: Sequence[Stream], bindings: Sequence[SinkBinding]) -> None:
        """Start everything, look after it until it is over, and stop it in the opposite order.

        Raises what ended it, where that was an error.
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
        """Go on with these sinks: one that is open stays as it is, one that is left out is closed. For `run`'s thread.

        Those that go are closed before those that come are opened, for both may want the same file or port; an event
        of that moment waits in the outbox of the new. Raises where one cannot be opened; those that are then opened
        in their place are given what came meanwhile.
        """
        before, open_ones = self._workers, {id(worker.sink): worker for worker in self._workers if worker.is_open}
        workers = [open_ones.get(id(binding.sink)) or SinkWorker(binding, self.stop) for binding in bindings]
        with self._publishing:
            for event in self._meanwhile or ():
                for worker in workers:
                    if worker not in before:
                        worker.offer(event)
            self._meanwhile = deque(maxlen=QUEUE_EVENTS)
            self._workers = workers
        self._retire([worker for worker in before if worker not in self._workers])
        self._record()
        for worker, binding in zip(self._workers, bindings, strict=True):
            if worker.is_open:
                worker.rebind(binding)
                continue
            worker.sink.set_controls(self._controls)
            worker.open()
        with self._publishing:
            self._meanwhile = None

    def _retire(self, workers: Sequence[SinkWorker]) -> None:
        for worker in workers:
            worker.finish()
        closing = [worker for worker in workers if worker.is_open]
        _join([worker.thread for worker in closing], time.monotonic() + STOP_S)
        for worker in closing:
            self._lossy |= worker.thread.is_alive() or worker.lost > 0
            if worker.thread.is_alive():
                log.warning("sink %s: did not close in %.1f s", worker.name, STOP_S)

    def _record(self) -> None:
        """Record the sources for the sinks that want their audio, if there is one: else it is not kept anywhere."""
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
        """Until it is time, `stop` is called, or a reload was asked for and is done."""
        try:
            change = self._wake.get(timeout=seconds)
        except Empty:
            return
        if change and not self._stopping:
            self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            news = " ".join(change().splitlines())
            self._tell("READY=1", f"STATUS={news}")
            self._news = f"; {news}"

    def _tick(self, sinks: Sequence[BaseSink]) -> None:
        self._controls.tick()
        status = self.status()
        for sink in sinks:
            sink.on_status(status)
        for stream in self._streams.values():
            stream.say_what_was_lost(time.monotonic())
        for worker in self._workers:
            worker.report_losses()
        self._tell(f"STATUS={_summary(status)}{self._news}")
        if all(stream.healthy(time.monotonic()) for stream in self._streams.values()):
            self._tell("WATCHDOG=1")

    def status(self) -> Status:
        """How everything is doing."""
        return Status(
            uptime_s=round(time.monotonic() - self._began, 1),
            cpu=self._cpu.share(),
            sources={name: stream.status() for name, stream in self._streams.items()},
            sinks={worker.name: worker.lost for worker in self._workers},
            waiting={worker.name: worker.waiting for worker in self._workers},
        )

    def _shut_down(self) -> None:
        """Stop flows with the audio: streams close, their loops end, outboxes close, sinks drain and close."""
        self._tell("STOPPING=1")
        deadline = time.monotonic() + STOP_S
        for stream in self._streams.values():
            stream.close()
        listening = [thread for stream in self._streams.values() for thread in stream.threads]
        _join(listening, time.monotonic() + STOP_S / 2)  # the ends that they still say are for open outboxes
        for worker in self._workers:
            worker.finish()
        draining = [worker.thread for worker in self._workers if worker.is_open]
        _join([*draining, *listening], deadline)
        for worker in self._workers:
            if worker.late:
                log.warning("sink %s: %d events came too late at the stop, and are lost", worker.name, worker.late)
        self._unfinished = [thread.name for thread in [*listening, *draining] if thread.is_alive()]
        if self._unfinished:
            log.warning("did not stop in %.1f s: %s", STOP_S, ", ".join(self._unfinished))


def _summary(status: Status) -> str:
    return ", ".join(
        f"{name}: {source.state}{f' ({source.trouble})' if source.trouble else ''}"
        for name, source in status.sources.items()
    )


class _CpuShare:
    """The share of one core that this process used since it was last asked."""

    def __init__(self) -> None:
        self._before = (time.monotonic(), _cpu_s())

    def share(self) -> float:
        now, used_s = time.monotonic(), _cpu_s()
        before, used_before_s = self._before
        self._before = (now, used_s)
        return round((used_s - used_before_s) / max(now - before, 1e-3), 4)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _join(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
