"""A `listener run` in a process: start it, watch its socket and log, stop it."""

import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from bench import processes
from bench.plan import Plan
from bench.rows import BenchError
from listener.client import Client
from listener.errors import ListenerError
from listener.messages import Event, Level, Message, SourceStatus, Status, Topic

START_S = 20.0
STOP_S = 5.0
POLL_S = 0.005  # between attempts to connect
LISTENING = ": listening: "  # logged at the first audio; the status, once a second, is too coarse


class Listening:
    """A daemon on the default microphone of `variables`. Stops when the block ends."""

    def __init__(self, plan: Plan, variables: dict[str, str]) -> None:
        self.socket = plan.scratch / "listener.sock"
        environment = processes.environment(XDG_RUNTIME_DIR=str(plan.scratch), **variables)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "listener", "run", "--plain", *plan.flags],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said = deque[str](maxlen=20)
        self._heard_at: float | None = None
        self._told = threading.Event()  # it listens, or it has ended
        self._reader = threading.Thread(target=self._read, name="bench log", daemon=True)
        self._reader.start()

    def __enter__(self) -> "Listening":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
        self._reader.join(STOP_S)

    def started_s(self) -> float:
        """Return the seconds from the process's start to the hello on the socket and the first audio."""
        deadline = self.began + START_S
        greeted_at = self._greeted(deadline)
        self._told.wait(max(0.0, deadline - time.monotonic()))
        if self._heard_at is None:
            raise self.failure("did not listen")
        return max(greeted_at, self._heard_at) - self.began

    def wait(self, seconds: float) -> None:
        """Let it run undisturbed. Raises BenchError if it ends."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise self.failure("ended")

    def failure(self, what: str) -> BenchError:
        """An error with the last lines of the log."""
        last = self._said[-1] if self._said else "nothing"
        return BenchError(f"listener run {what} (status {self.process.poll()}); it last said: {last}")

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            if LISTENING in line and self._heard_at is None:
                self._heard_at = time.monotonic()
                self._told.set()
            self._said.append(line.strip())
        self._told.set()

    def _greeted(self, deadline: float) -> float:
        """The monotonic time of the first line on the socket."""
        while time.monotonic() < deadline and self.process.poll() is None:
            if _greeting(self.socket):
                return time.monotonic()
            time.sleep(POLL_S)
        raise self.failure("did not greet")


class Witness:
    """A client that knows when each line arrived. Closed when the block ends."""

    def __init__(self, path: Path, *topics: Topic) -> None:
        self._client = Client(f"unix:{path}")
        self._topics = topics
        self._lines: queue.SimpleQueue[tuple[float, Message | None]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="bench socket", daemon=True)
        self._reader.start()

    def __enter__(self) -> "Witness":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._reader.join(STOP_S)

    def until(self, wanted: Callable[[Message], bool], patience_s: float, what: str) -> tuple[float, Message]:
        """Return the next matching message and its monotonic time. Raises BenchError after the limit."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                at, message = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty as err:
                raise BenchError(f"{what}: not within {patience_s:g} s") from err
            if message is None:
                raise BenchError(f"{what}: the daemon's socket closed")
            if wanted(message):
                return at, message

    def until_quiet(self, quiet_s: float, patience_s: float) -> None:
        """Wait for a stretch of stream with a closed gate and no event."""
        quiet = _Quiet(quiet_s)
        self.until(quiet, patience_s, f"{quiet_s:g} s of quiet")

    def status(self) -> SourceStatus:
        """Return the status of the daemon's source."""
        _, message = self.until(lambda message: isinstance(message, Status), STOP_S, "a status line")
        assert isinstance(message, Status)
        return next(iter(message.sources.values()))

    def _read(self) -> None:
        try:
            for message in self._client.receive(self._topics):
                self._lines.put((time.monotonic(), message))
        except ListenerError:
            self._lines.put((time.monotonic(), None))
        else:
            self._lines.put((time.monotonic(), None))


class _Quiet:
    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._since_s: float | None = None

    def __call__(self, message: Message) -> bool:
        if isinstance(message, Event) or (isinstance(message, Level) and message.open):
            self._since_s = None
        elif isinstance(message, Level):
            if self._since_s is None:
                self._since_s = message.at_s
            return message.at_s - self._since_s >= self._quiet_s
        return False


def _greeting(path: Path) -> bool:
    """Whether a daemon answers at a socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(1.0)
            connection.connect(str(path))
            return bool(connection.recv(1))
        except OSError:
            return False
