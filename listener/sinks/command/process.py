"""A program run once for an event: told by its standard input, heard line by line, ended with all it started."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO

from listener.base.text import plain

TICK_S = 0.02  # an exit without a word is noticed so late
KILLED_S = 0.5  # a killed program is gone after so long, or sleeps in the kernel, or is another user's
READ_BYTES = 1 << 16
MOST_LINES = 20
MOST_CHARACTERS = 500


class Lines:
    """Hands on what a program writes, line by line: so many of them, each so long, and then that there is more."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = 0
        self._unfinished = b""

    def push(self, received: bytes) -> None:
        """Take what it wrote. Once enough was said the rest is thrown away, or the program would wait for us."""
        if self._said > MOST_LINES:
            return
        *whole, rest = received.split(b"\n")
        for part in whole:
            self._finish(part)
        self._unfinished = (self._unfinished + rest)[: 4 * MOST_CHARACTERS]  # a character has up to four bytes

    def close(self) -> None:
        """It has written its last."""
        if self._unfinished:
            self._finish(b"")

    def _finish(self, part: bytes) -> None:
        line, self._unfinished = self._unfinished + part[: 4 * MOST_CHARACTERS], b""
        self._said += 1
        if self._said <= MOST_LINES:
            self._say(plain(line.decode(errors="replace").strip("\r\n")[:MOST_CHARACTERS]))
        elif self._said == MOST_LINES + 1:
            self._say("(what more it writes is left out)")


class Child:
    """The process, in a session of its own, so that it can be ended with all that it started. OSError: cannot start.

    It is reaped only by the `with` block: until then its number is nobody else's, and signals meet the right group.
    """

    def __init__(
        self, argv: Sequence[str], environment: Mapping[bytes, bytes], told: bytes, say: Callable[[str], None]
    ) -> None:
        self._process = subprocess.Popen(
            argv,
            bufsize=0,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._untold, self._lines = told, Lines(say)
        os.set_blocking(self._stdin.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._stdin, select.POLLOUT)
        self._poll.register(self._stdout, select.POLLIN)

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not self._exited():  # nobody is left to see that it ends
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._lines.close()
        self._leave(self._stdin)
        self._leave(self._stdout)
        if self._exited():
            self._process.wait()

    def attend(self, until: Callable[[], float]) -> bool:
        """Tell and hear it until it has ended, or the monotonic time has come; whether it has ended.

        It has when nobody holds its output any more: what it left running in the background counts as well.
        """
        while not (self._stdout.closed and self._exited()):
            left_s = until() - time.monotonic()
            if left_s <= 0:
                return False
            self._exchange(min(left_s, TICK_S))
        return True

    def end(self, patience_s: float) -> bool:
        """Ask the whole group to end, and after so long make it; whether it did."""
        for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, KILLED_S)):
            with suppress(ProcessLookupError, PermissionError):  # gone already; or run as another user by sudo
                os.killpg(self._process.pid, number)
            if self.attend(_fixed(time.monotonic() + wait_s)):
                return True
        return False

    def complaint(self) -> str:
        """What its exit status says is wrong, after it has ended; empty where nothing is."""
        status = self._process.wait()
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}" if status else ""

    def _exited(self) -> bool:
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped: by us, or by the kernel where we were started with SIGCHLD ignored
            return True

    def _exchange(self, patience_s: float) -> None:
        for descriptor, _ in self._poll.poll(patience_s * 1000):
            if not self._stdin.closed and descriptor == self._stdin.fileno():
                self._tell()
            else:
                self._hear()

    def _tell(self) -> None:
        try:
            self._untold = self._untold[os.write(self._stdin.fileno(), self._untold) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want to know, which is no error
            self._untold = b""
        if not self._untold:
            self._leave(self._stdin)

    def _hear(self) -> None:
        received = os.read(self._stdout.fileno(), READ_BYTES)
        self._lines.push(received)
        if not received:
            self._leave(self._stdout)

    def _leave(self, pipe: IO[bytes]) -> None:
        if not pipe.closed:
            self._poll.unregister(pipe)
            pipe.close()


def _fixed(moment: float) -> Callable[[], float]:
    return lambda: moment
