"""A running program: its output, its last words on standard error, and a sure end."""

import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

POLL_MS = 200  # how often `stopped` is looked at
TERM_S = 0.2  # how long a program may take to end on SIGTERM
READ_BYTES = 1 << 16
COMPLAINT_LINES = 3
COMPLAINT_CHARACTERS = 300


class ChildProcess:
    """A program in a process group of its own, killed at the end of the `with` block even if it hangs.

    Its standard input is a pipe that ends with this process. Its standard error is kept out of our log.

    Args:
        argv: The command line.
        environment: Its environment; None for that of this process.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            argv,
            bufsize=0,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # no Ctrl-C of the terminal; and its children are killed with it
        )
        assert self._process.stdout
        assert self._process.stderr
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._words = deque[bytes](maxlen=16)

    @property
    def pid(self) -> int:
        """The process id, valid within the `with` block."""
        return self._process.pid

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def read(self, timeout_s: float, stopped: Callable[[], bool]) -> bytes | None:
        """Read what the program writes next.

        Args:
            timeout_s: How long to wait, in seconds.
            stopped: Ends the wait when it returns true.

        Returns:
            The bytes; none at the end of the output or if stopped; None if nothing came in time.
        """
        deadline = time.monotonic() + timeout_s
        while not stopped():
            ready = {fd for fd, _ in self._poll.poll(POLL_MS)}
            if self._err in ready:
                self._read_complaint()
            if self._out in ready:
                return os.read(self._out, READ_BYTES)
            if time.monotonic() >= deadline:
                return None
        return b""

    def complaint(self) -> str:
        """Return the last lines of its standard error as one line."""
        while any(fd == self._err for fd, _ in self._poll.poll(0)):
            self._read_complaint()
        lines = b"".join(self._words).decode(errors="replace").splitlines()
        return "; ".join(filter(None, map(str.strip, lines[-COMPLAINT_LINES:])))[-COMPLAINT_CHARACTERS:]

    def status(self) -> int | None:
        """Return the exit status, negative for a signal, or None if it still runs though its output has ended."""
        if not self._wait_for_end():
            return None
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert ended
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def _read_complaint(self) -> None:
        words = os.read(self._err, READ_BYTES)
        if words:
            self._words.append(words[-4096:])
        else:
            self._poll.unregister(self._err)

    def _wait_for_end(self) -> bool:
        """Wait up to TERM_S for its end. It is not reaped, so that its process group keeps its number."""
        deadline = time.monotonic() + TERM_S
        while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _kill(self) -> None:
        self._signal(signal.SIGTERM)
        self._wait_for_end()
        self._signal(signal.SIGKILL)
        if self._wait_for_end():  # else the kernel holds it, and subprocess reaps it later
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # gone; or of another user, as with sudo: SIGPIPE ends it
            return
