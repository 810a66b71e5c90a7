"""A daemon in a process: start it, watch its socket and log, stop it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from bench import processes
from listener.client import Client
from listener.errors import ListenerError
from listener.messages import Event, SourceStatus, Status
from soak.plan import SoakError

START_S = 60.0  # on a busy machine
STOP_S = 15.0
POLL_S = 0.02


def until(condition: Callable[[], object], what: str, within_s: float) -> float:
    """Wait for a condition. Returns the seconds it took; raises SoakError after the time limit."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            raise SoakError(f"not within {within_s:g} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - began


class Running:
    """`listener run` as a service, with a folder as its home. Stops when the block ends.

    `prefix` is put before the command, for what changes the world that it runs in.
    """

    def __init__(
        self, folder: Path, config: str, variables: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.socket, self.log_file = folder, folder / "s", folder / "said"
        (folder / "config.toml").write_text(f'[daemon]\nsocket = "{self.socket}"\n{config}\n')
        command = [*prefix, sys.executable, "-m", "listener", "run", "--wait", "--plain"]
        command += ["--config", str(folder / "config.toml")]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=processes.environment(
                    HOME=str(folder), XDG_STATE_HOME=str(folder / "state"), XDG_RUNTIME_DIR=str(folder),
                    **(variables or {}),
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def said(self) -> str:
        """Return its log."""
        return self.log_file.read_text(errors="replace")

    def listens(self) -> None:
        """Wait until it listens. Raises SoakError if it ends or takes too long."""
        until(lambda: ": listening: " in self.said or self.process.poll() is not None, "it listens", START_S)
        if self.process.poll() is not None:
            raise SoakError(f"the daemon ended with status {self.process.returncode}; {self._last()}")

    def end(self) -> int:
        """Stop it, by force if needed. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise SoakError(f"the daemon does not end; {self._last()}") from None

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait(STOP_S)

    def _last(self) -> str:
        lines = self.said.splitlines()
        return f"it last said: {lines[-1] if lines else 'nothing'}"


class Watcher:
    """A client that keeps the latest messages of a daemon. Closed when the block ends."""

    def __init__(self, socket: Path) -> None:
        self.status: Status | None = None
        self.under_way: dict[str, Event] = {}
        self.events = self.started = 0
        self.ended = False
        self._client = Client(f"unix:{socket}")
        self._thread = threading.Thread(target=self._read, name="soak watcher", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._thread.join(STOP_S)

    def source(self, name: str) -> SourceStatus | None:
        """Return a source's part of the latest status."""
        return self.status.sources.get(name) if self.status else None

    def heard_s(self, name: str) -> float:
        source = self.source(name)
        return source.heard_s if source else 0.0

    def settled(self, name: str) -> SourceStatus:
        """Wait for the next status."""
        before = self.status
        until(lambda: self.status is not before, "a status line", STOP_S)
        source = self.source(name)
        assert source
        return source

    def _read(self) -> None:
        try:
            for message in self._client.receive(["event", "status"]):
                if isinstance(message, Status):
                    self.status = message
                elif isinstance(message, Event):
                    self._note(message)
        except ListenerError:
            self.ended = True
        self.ended = True

    def _note(self, event: Event) -> None:
        self.events += 1
        self.started += event.phase == "start"
        if event.phase == "end":
            self.under_way.pop(event.id, None)
        else:
            self.under_way[event.id] = event
