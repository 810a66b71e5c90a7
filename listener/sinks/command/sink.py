"""A program run for each event: a notification, a lamp, a line in a table of your own."""

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
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.base.trouble import Trouble
from listener.errors import ConfigError, SinkError
from listener.messages import Event
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink
from listener.sinks.command.process import Child

log = logging.getLogger(__name__)

TERM_S = 1.0  # from SIGTERM to SIGKILL
CLOSE_S = 0.8  # what runs when the sink is closed has so long to end by itself,
LAST_TERM_S = 0.2  # and then so long after SIGTERM
OURS = (b"NOTIFY_SOCKET", b"JOURNAL_STREAM")  # systemd means them for us alone,
OUR_PREFIXES = (b"WATCHDOG_", b"LISTEN_")  # and a child's word would count as ours


class HookConfig(Section, frozen=True):
    """A program that is run for events."""

    run: Annotated[
        tuple[str, ...], Meta(description='the program and its arguments, no shell, as ["/usr/local/bin/bark.sh"]')
    ] = ()
    each_phase: Annotated[
        bool, Meta(description="true: for each start, update and end; false: once an event, when it is first reported")
    ] = False
    timeout_s: Annotated[float, Meta(gt=0, le=86_400, description="what runs longer is ended, with all it started")] = (
        10.0
    )
    at_once: Annotated[int, Meta(ge=1, le=64, description="so many may run at a time; 1 keeps events in order")] = 4
    waiting: Annotated[
        int, Meta(ge=0, le=1000, description="so many events wait for their turn; more are left out")
    ] = 16


class Hook(BaseSink):
    """A program that is run for events, told of them by standard input and environment.

    `emit` never waits for it. What it does wrong is said in the log, once an episode, and harms nothing else.
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
        self._stop_at = inf  # monotonic; set once it is closed
        self._left_out = 0  # of this episode
        self._name = f"command [{config.run[0]!r}{', …' if config.run[1:] else ''}]"  # arguments may hold passwords
        self._trouble, self._crowd = Trouble(self._name, log), Trouble(self._name, log)

    @property
    def requirements(self) -> Requirements:
        return Requirements(program=self._argv[0])

    @property
    def waiting(self) -> int:
        """Events that wait for their turn."""
        return len(self._waiting)

    def open(self) -> None:
        """Say what is wrong with the program. It may be on a disk that is mounted later, so that is no error."""
        if shutil.which(self._argv[0]) is None:
            self._trouble.say(_missing(self._argv[0]))

    def emit(self, event: Event) -> None:
        """Run the program for it, now or when its turn comes."""
        if not self._config.each_phase and not self._first(event):
            return
        with self._lock:
            thread, left_out = self._admit(event)
        if thread:
            self._start(thread)
        if left_out:
            many = f"{self._config.at_once} run and {self._config.waiting} events wait"
            self._crowd.say(f"{many}; more are left out; raise at_once, or when.cooldown_s, or make it quicker")

    def close(self) -> None:
        """Let what runs and waits end soon, and then make it."""
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
            log.warning("%s: is closed; events that waited and are left out: %d", self._name, unheard)

    def _admit(self, event: Event) -> tuple[threading.Thread | None, bool]:
        """The thread to start for it, where there is room for one; and whether there is no room to wait either."""
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
        self._left_out += 1
        return None, True

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError as err:
            with self._lock:
                self._threads.discard(thread)
            raise SinkError(f"{self._name}: there is no thread to run it ({err}); raise the limit of tasks") from err

    def _work(self, event: Event | None) -> None:
        """Run it for one event after the other, until none waits."""
        while event is not None:
            try:
                self._say(self._run(event))
            except OSError as err:
                self._fail(_cannot(self._argv[0], err))
            except Exception as err:  # whatever a run does, the next one is made
                log.debug("%s", self._name, exc_info=err)
                self._fail(f"cannot be run ({err})")
            event = self._next()

    def _run(self, event: Event) -> str:
        """What was wrong, empty where nothing was."""
        limit_s, deadline = self._config.timeout_s, time.monotonic() + self._config.timeout_s
        with Child(self._argv, _environment(event), messages.encode(event), self._hear) as child:
            if child.attend(lambda: min(deadline, self._stop_at)):
                return child.complaint()
            stopping = time.monotonic() >= self._stop_at
            ended = child.end(LAST_TERM_S if stopping else TERM_S)
            why = "its sink is closed" if stopping else f"it ran longer than timeout_s, {limit_s:g} s"
            return f"was ended: {why}" if ended else f"cannot be ended and is left alone, though {why}"

    def _next(self) -> Event | None:
        """What waits longest; None where nothing does, or the time is over, and then this thread ends."""
        with self._lock:
            if self._waiting and time.monotonic() < self._stop_at:
                return self._waiting.popleft()
            self._threads.discard(threading.current_thread())
            left_out, self._left_out = self._left_out, 0
        if left_out:
            self._crowd.over(f"{left_out} events were left out; now it keeps up again")
        return None

    def _hear(self, line: str) -> None:
        log.info("%s says: %s", self._name, line)

    def _say(self, problem: str) -> None:
        if problem:
            self._trouble.say(problem)
        else:
            self._trouble.over()

    def _fail(self, problem: str) -> None:
        with self._lock:
            self.lost += 1
        self._trouble.say(problem)


def _checked(run: tuple[str, ...]) -> list[str]:
    """The arguments as the system takes them. ConfigError where it never could."""
    if not run or not run[0]:
        raise ConfigError(
            'command: run names no program; write it and its arguments, as run = ["/usr/local/bin/bark.sh"]'
        )
    if any("\0" in argument for argument in run):
        raise ConfigError(f"command: run: {run[0]!r} or an argument holds a zero byte, which no program can be given")
    program = str(paths.expanded(run[0])) if run[0].startswith("~") else run[0]
    return [program, *run[1:]]


def _environment(event: Event) -> dict[bytes, bytes]:
    """Ours, without what is meant for us alone, and every plain value of the event. Bytes: whatever the locale says."""
    inherited = {
        name: value for name, value in os.environb.items() if name not in OURS and not name.startswith(OUR_PREFIXES)
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
    """Why it did not start, and the remedy."""
    if err.errno == errno.ENOEXEC:
        return "is no program; a script needs a first line such as #!/bin/sh"
    if not isinstance(err, FileNotFoundError | NotADirectoryError | PermissionError):
        return f"cannot be run ({err.strerror})"
    if isinstance(err, FileNotFoundError) and shutil.which(program):
        return "its first line names a program that does not exist; correct what follows the #!, and its line end"
    return _missing(program)


def _missing(program: str) -> str:
    """What is wrong with a program that cannot be found as one."""
    if not os.access(program, os.F_OK):
        return "does not exist; give the full path"
    return f"is not executable; chmod +x {program}"
