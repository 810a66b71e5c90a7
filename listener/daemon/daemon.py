"""The daemon: threads, and their ordered start and stop."""

import logging
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue

from listener.daemon.stream import Stream
from listener.daemon.systemd import notify
from listener.errors import ListenerError
from listener.messages import Event, Spectrum, Status
from listener.routing.controls import Controls
from listener.routing.sink_worker import OUTBOX_EVENTS, Outlet, Picturing, Recording, Route, Steering, Viewer

log = logging.getLogger(__name__)

STOP_S = 1.8  # the whole stop, the sinks' last deliveries included
METER_S = 0.1
STATUS_S = 1.0


class Daemon:
    """Streams feed it, outlets drain it. `run` returns when all sources have ended or `stop` was called.

    `tell` is given what systemd wants to know.
    """

    def __init__(self, controls: Controls | None = None, tell: Callable[..., object] = notify) -> None:
        self._tell = tell
        self._controls = controls or Controls((), {}, ())
        self._streams: dict[str, Stream] = {}
        self._outlets: Sequence[Outlet] = ()  # replaced whole
        self._publishing = threading.Lock()  # no outlet goes while a stream's thread is offering to it
        # What came while outlets are exchanged: where that fails, those that come in their place have not had it.
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
        return not (self._unfinished or self._lossy or any(outlet.lost for outlet in self._outlets))

    def publish(self, event: Event) -> None:
        """Offer an event to every sink, unless a user has asked not to be told of it."""
        if not self._controls.admits(event):
            return
        with self._publishing:
            if self._meanwhile is not None:
                self._meanwhile.append(event)
            for outlet in self._outlets:
                outlet.offer(event)

    def pictured(self) -> bool:
        """Whether anybody looks at the live spectrogram."""
        return any(sink.pictured for sink in self._picturing())

    def picture(self, spectrum: Spectrum) -> None:
        """Show columns of the spectrogram to those who look."""
        for sink in self._picturing():
            sink.picture(spectrum)

    def _picturing(self) -> Iterator[Picturing]:
        return (outlet.sink for outlet in self._outlets if isinstance(outlet.sink, Picturing))

    def ended(self, name: str, error: ListenerError | None) -> None:
        """A stream has ended, well or with an error. The daemon stops on an error or when no stream is left."""
        self._error = self._error or error
        self._ended.add(name)
        if error or self._ended >= self._streams.keys():
            self.stop()

    def run(self, streams: Sequence[Stream], routes: Sequence[Route]) -> None:
        """Start everything, look after it until it is over, and stop it in the opposite order.

        Raises what ended it, where that was an error.
        """
        self._streams = {stream.name: stream for stream in streams}
        try:
            self.reconfigure(routes)
            for stream in streams:
                stream.open()
            self._tell("READY=1")
            self._look_after()
        finally:
            self._shut_down()
        if self._error:
            raise self._error

    def reconfigure(self, routes: Sequence[Route]) -> None:
        """Go on with these sinks: one that is open stays as it is, one that is left out is closed. For `run`'s thread.

        Those that go are closed before those that come are opened, for both may want the same file or port; an event
        of that moment waits in the outbox of the new. Raises where one cannot be opened; those that are then opened
        in their place are given what came meanwhile.
        """
        before, open_ones = self._outlets, {id(outlet.sink): outlet for outlet in self._outlets if outlet.is_open}
        outlets = [open_ones.get(id(route.sink)) or Outlet(route, self.stop) for route in routes]
        with self._publishing:
            for event in self._meanwhile or ():
                for outlet in outlets:
                    if outlet not in before:
                        outlet.offer(event)
            self._meanwhile = deque(maxlen=OUTBOX_EVENTS)
            self._outlets = outlets
        self._retire([outlet for outlet in before if outlet not in self._outlets])
        self._record()
        for outlet, route in zip(self._outlets, routes, strict=True):
            if outlet.is_open:
                outlet.take(route)
                continue
            if isinstance(outlet.sink, Steering):
                outlet.sink.steer(self._controls)
            outlet.open()
        with self._publishing:
            self._meanwhile = None

    def _retire(self, outlets: Sequence[Outlet]) -> None:
        for outlet in outlets:
            outlet.finish()
        closing = [outlet for outlet in outlets if outlet.is_open]
        _join([outlet.thread for outlet in closing], time.monotonic() + STOP_S)
        for outlet in closing:
            self._lossy |= outlet.thread.is_alive() or outlet.lost > 0
            if outlet.thread.is_alive():
                log.warning("sink %s: did not close in %.1f s", outlet.name, STOP_S)

    def _record(self) -> None:
        """Record the sources for the sinks that want their audio, if there is one: else it is not kept anywhere."""
        wanting = [outlet for outlet in self._outlets if isinstance(outlet.sink, Recording) and outlet.sink.records]
        for stream in self._streams.values():
            if not wanting:
                stream.forget()
            for outlet in wanting:
                if isinstance(outlet.sink, Recording) and not outlet.is_open:
                    outlet.sink.hear(stream.record())

    def _look_after(self) -> None:
        status_due = time.monotonic()
        while not self._stopping:
            viewers = [
                outlet.sink for outlet in self._outlets if isinstance(outlet.sink, Viewer) and not outlet.is_absent
            ]
            watching = [viewer for viewer in viewers if viewer.watched]
            self._sleep(METER_S if watching else STATUS_S)
            for stream in self._streams.values() if watching else ():
                level = stream.level()
                for viewer in watching:
                    viewer.show(level)
            if time.monotonic() >= status_due:
                status_due = time.monotonic() + STATUS_S
                self._tick(viewers)

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

    def _tick(self, viewers: Sequence[Viewer]) -> None:
        self._controls.tick()
        status = self.status()
        for viewer in viewers:
            viewer.show(status)
        for stream in self._streams.values():
            stream.say_what_was_lost(time.monotonic())
        for outlet in self._outlets:
            outlet.say_what_was_lost()
        self._tell(f"STATUS={_summary(status)}{self._news}")
        if all(stream.healthy(time.monotonic()) for stream in self._streams.values()):
            self._tell("WATCHDOG=1")

    def status(self) -> Status:
        """How everything is doing."""
        return Status(
            uptime_s=round(time.monotonic() - self._began, 1),
            cpu=self._cpu.share(),
            sources={name: stream.status() for name, stream in self._streams.items()},
            sinks={outlet.name: outlet.lost for outlet in self._outlets},
            waiting={outlet.name: outlet.waiting for outlet in self._outlets},
        )

    def _shut_down(self) -> None:
        """Stop flows with the audio: streams close, their loops end, outboxes close, sinks drain and close."""
        self._tell("STOPPING=1")
        deadline = time.monotonic() + STOP_S
        for stream in self._streams.values():
            stream.close()
        listening = [thread for stream in self._streams.values() for thread in stream.threads]
        _join(listening, time.monotonic() + STOP_S / 2)  # the ends that they still say are for open outboxes
        for outlet in self._outlets:
            outlet.finish()
        draining = [outlet.thread for outlet in self._outlets if outlet.is_open]
        _join([*draining, *listening], deadline)
        for outlet in self._outlets:
            if outlet.late:
                log.warning("sink %s: %d events came too late at the stop, and are lost", outlet.name, outlet.late)
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
