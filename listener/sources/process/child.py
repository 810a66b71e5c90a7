"""A running program: its output as it comes, the last it said, and a sure end."""

import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

POLL_MS = 200  # silence is looked into this often: also how long `close` of a source may take
TERM_S = 0.2  # a program may take so long to end when it is asked to
READ_BYTES = 1 << 16
COMPLAINT_LINES = 3
COMPLAINT_CHARACTERS = 300


class Child:
    """A process in a group of its own, ended with the `with` block however it hangs. OSError if it cannot start.

    Its standard input is a pipe that ends when we do; its standard error is kept out of our log.
    """

    def __init__(self, argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            argv,
            bufsize=0,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal is for us; and what it starts ends with it
        )
        assert self._process.stdout
        assert self._process.stderr
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._said = deque[bytes](maxlen=16)

    @property
    def pid(self) -> int:
        """Its number, for as long as the `with` block lasts."""
        return self._process.pid

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def read(self, patience_s: float, stopped: Callable[[], bool]) -> bytes | None:
        """What it writes next: b"" when it has ended or `stopped`, None when nothing came for `patience_s`."""
        deadline = time.monotonic() + patience_s
        while not stopped():
            ready = {fd for fd, _ in self._poll.poll(POLL_MS)}
            if self._err in ready:
                self._hear_complaint()
            if self._out in ready:
                return os.read(self._out, READ_BYTES)
            if time.monotonic() >= deadline:
                return None
        return b""

    def complaint(self) -> str:
        """The last lines of its standard error, as one."""
        while any(fd == self._err for fd, _ in self._poll.poll(0)):
            self._hear_complaint()
        lines = b"".join(self._said).decode(errors="replace").splitlines()
        return "; ".join(filter(None, map(str.strip, lines[-COMPLAINT_LINES:])))[-COMPLAINT_CHARACTERS:]

    def status(self) -> int | None:
        """Its exit status, negative for a signal; None where it goes on though its output has ended."""
        if not self._wait_for_end():
            return None
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert ended
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def _hear_complaint(self) -> None:
        said = os.read(self._err, READ_BYTES)
        if said:
            self._said.append(said[-4096:])
        else:
            self._poll.unregister(self._err)

    def _wait_for_end(self) -> bool:
        """Whether it ends within TERM_S. It is not reaped yet, so that its group keeps its number."""
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
        if self._wait_for_end():  # not in time: the kernel holds it, and subprocess reaps it later
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # gone; or another user's, as behind sudo: SIGPIPE will end it
            return
