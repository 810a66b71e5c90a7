"""Run a program for each event: a notification, a lamp, a line in a table of your own."""

import errno
import logging
import os
import shutil
import threading
import time
from collections import deque
from math import inf
from typing import Annotated

from listener import messages
from listener.base import paths
from listener.base.incidents import IncidentLog
from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import ConfigError, SinkError
from listener.messages import Event
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink, SinkConfig
from listener.sinks.command.process import Child

log = logging.getLogger(__name__)

TERM_S = 1.0  # from SIGTERM to SIGKILL
CLOSE_S = 0.8  # how long running programs have to end by themselves when the sink is closed
LAST_TERM_S = 0.2  # and then, after SIGTERM
OWN_VARIABLES = (b"NOTIFY_SOCKET", b"JOURNAL_STREAM")  # systemd means them for the daemon only
OWN_PREFIXES = (b"WATCHDOG_", b"LISTEN_")


class HookConfig(SinkConfig, frozen=True):
    """A program that is run for events."""

    run: Annotated[
        tuple[str, ...], Meta(description='the program and its arguments, no shell, as ["/usr/local/bin/bark.sh"]')
    ] = ()
    each_phase: Annotated[
        bool, Meta(description="true: for each start, update and end; false: once per event, when it is first reported")
    ] = False
    timeout_s: Annotated[
        float, Meta(gt=0, le=86_400, description="a program that runs longer is ended, with all that it started")
    ] = 10.0
    at_once: Annotated[
        int, Meta(ge=1, le=64, description="programs that may run at a time; 1 keeps events in order")
    ] = 4
    waiting: Annotated[int, Meta(ge=0, le=1000, description="events that may wait; more are skipped")] = 16


class Hook(BaseSink):
    """A program that is run for events, which it gets on standard input and in its environment.

    `emit` never waits for the program. Its failures are logged once per incident, and affect nothing else.

    Raises:
        ConfigError: No program is named.
    """

    Config = HookConfig
    lost = 0  # events for which the program did not run

    def __init__(self, config: HookConfig, _hello: messages.Hello) -> None:
        self._argv = _checked(config.run)
        self._config = config
        self._first = FirstSeen()
        self._lock = threading.Lock()  # guards what follows
        self._waiting: deque[Event] = deque()
        self._threads: set[threading.Thread] = set()
        self._stop_at = inf  # monotonic; set by `close`
        self._skipped = 0  # in this incident
        self._name = f"command [{config.run[0]!r}{', …' if config.run[1:] else ''}]"  # arguments may hold passwords
        self._incidents, self._overload = IncidentLog(self._name, log), IncidentLog(self._name, log)

    @property
    def requirements(self) -> Requirements:
        return Requirements(program=self._argv[0])

    @property
    def waiting(self) -> int:
        """Events that wait for their turn."""
        return len(self._waiting)

    def open(self) -> None:
        """Warn if the program is missing. That is not an error: its disk may be mounted later."""
        if shutil.which(self._argv[0]) is None:
            self._incidents.report(_missing(self._argv[0]))

    def emit(self, event: Event) -> None:
        """Run the program for an event, now or when it is its turn."""
        if not self._config.each_phase and not self._first(event):
            return
        with self._lock:
            thread, skipped = self._admit(event)
        if thread:
            self._start(thread)
        if skipped:
            many = f"{self._config.at_once} run and {self._config.waiting} events wait"
            self._overload.report(
                f"{many}; more are skipped. Raise at_once or when.cooldown_s, or make the program faster"
            )

    def close(self) -> None:
        """Give running programs a moment to end, then end them."""
        with self._lock:
            self._stop_at = min(self._stop_at, time.monotonic() + CLOSE_S)
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, self._stop_at + 2 * LAST_TERM_S - time.monotonic()))
        with self._lock:
            unheard = len(self._waiting)
            self._waiting.clear()
            self.lost += unheard
        if unheard:
            log.warning("%s: is closed; events skipped that were waiting: %d", self._name, unheard)

    def _admit(self, event: Event) -> tuple[threading.Thread | None, bool]:
        """Return the thread to start for an event, if there may be one more, and whether the event is skipped."""
        if self._stop_at < inf:
            self.lost += 1
            return None, False
        if len(self._threads) < self._config.at_once:
            thread = threading.Thread(target=self._work, args=(event,), name=self._name, daemon=True)
            self._threads.add(thread)
            return thread, False
        if len(self._waiting) < self._config.waiting:
            self._waiting.append(event)
            return None, False
        self.lost += 1
        self._skipped += 1
        return None, True

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError as err:
            with self._lock:
                self._threads.discard(thread)
            problem, remedy = f"{self._name}: no thread can be started ({err})", "Raise the limit of tasks."
            raise SinkError(problem, code="command-thread", remedy=remedy) from err

    def _work(self, event: Event | None) -> None:
        """Run the program for one event after the other, until none waits."""
        while event is not None:
            try:
                self._report(self._run(event))
            except OSError as err:
                self._fail(_cannot(self._argv[0], err))
            except Exception as err:  # no error ends the thread
                log.debug("%s", self._name, exc_info=err)
                self._fail(f"cannot be run ({err})")
            event = self._next()

    def _run(self, event: Event) -> str:
        """Run the program for one event; return what went wrong, or an empty string."""
        limit_s, deadline = self._config.timeout_s, time.monotonic() + self._config.timeout_s
        with Child(self._argv, _environment(event), messages.encode(event), self._log_line) as child:
            if child.attend(lambda: min(deadline, self._stop_at)):
                return child.complaint()
            stopping = time.monotonic() >= self._stop_at
            ended = child.end(LAST_TERM_S if stopping else TERM_S)
            why = "its sink is closed" if stopping else f"it ran longer than timeout_s, {limit_s:g} s"
            return f"was ended: {why}" if ended else f"cannot be ended, and goes on: {why}"

    def _next(self) -> Event | None:
        """Return the event that has waited longest; None if none waits, or after `close`: then this thread ends."""
        with self._lock:
            if self._waiting and time.monotonic() < self._stop_at:
                return self._waiting.popleft()
            self._threads.discard(threading.current_thread())
            skipped, self._skipped = self._skipped, 0
        if skipped:
            self._overload.resolve(f"keeps up again; {skipped} events were skipped")
        return None

    def _log_line(self, line: str) -> None:
        log.info("%s says: %s", self._name, line)

    def _report(self, problem: str) -> None:
        if problem:
            self._incidents.report(problem)
        else:
            self._incidents.resolve()

    def _fail(self, problem: str) -> None:
        with self._lock:
            self.lost += 1
        self._incidents.report(problem)


def _checked(run: tuple[str, ...]) -> list[str]:
    """Return program and arguments, or raise ConfigError if they can never be run."""
    if not run or not run[0]:
        remedy = 'Write, for example, run = ["/usr/local/bin/bark.sh"].'
        raise ConfigError("run is empty", code="command-empty", remedy=remedy)
    if any("\0" in argument for argument in run):
        remedy = "Remove the zero byte."
        raise ConfigError(f"run: {run[0]!r} or an argument has a zero byte", code="command-argument", remedy=remedy)
    program = str(paths.expanded(run[0])) if run[0].startswith("~") else run[0]
    return [program, *run[1:]]


def _environment(event: Event) -> dict[bytes, bytes]:
    """Return our environment without our own variables, with one for each field of the event; bytes in any locale."""
    inherited = {
        name: value
        for name, value in os.environb.items()
        if name not in OWN_VARIABLES and not name.startswith(OWN_PREFIXES)
    }
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "top"}
    told = {
        f"LISTENER_{name.upper()}".encode(): ("" if value is None else str(value))
        .replace("\0", "")
        .encode(errors="surrogateescape")
        for name, value in fields.items()
    }
    return inherited | told


def _cannot(program: str, err: OSError) -> str:
    """Return why the program did not start, with the remedy."""
    if err.errno == errno.ENOEXEC:
        return "is not a program. A script needs a first line such as #!/bin/sh"
    if not isinstance(err, FileNotFoundError | NotADirectoryError | PermissionError):
        return f"cannot be run ({err.strerror})"
    if isinstance(err, FileNotFoundError) and shutil.which(program):
        return "its first line names a program that does not exist. Correct what follows #!, and its line end"
    return _missing(program)


def _missing(program: str) -> str:
    """Return why a program cannot be found."""
    if not os.access(program, os.F_OK):
        return "does not exist. Write its full path"
    return f"is not executable. Run: chmod +x {program}"
