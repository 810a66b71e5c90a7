"""A program that runs for one event: it gets the event on standard input, and is ended with all that it started."""

import ctypes
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

TICK_S = 0.02  # between checks whether it has ended
KILLED_S = 0.5  # after SIGKILL; one that is still there sleeps in the kernel, or belongs to another user
READ_BYTES = 1 << 16
MAX_LINES = 20
MAX_CHARS = 500


PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Lines:
    """Passes the output of a program on line by line, up to a number of lines and a length."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said = 0
        self._unfinished = b""

    def push(self, received: bytes) -> None:
        """Take some output. After the last line it is discarded, so that the program does not wait for a reader."""
        if self._said > MAX_LINES:
            return
        *whole, rest = received.split(b"\n")
        for part in whole:
            self._finish(part)
        self._unfinished = (self._unfinished + rest)[: 4 * MAX_CHARS]  # a character has up to four bytes

    def close(self) -> None:
        """Pass on the last line, even without a line end."""
        if self._unfinished:
            self._finish(b"")

    def _finish(self, part: bytes) -> None:
        line, self._unfinished = self._unfinished + part[: 4 * MAX_CHARS], b""
        self._said += 1
        if self._said <= MAX_LINES:
            self._say(plain(line.decode(errors="replace").strip("\r\n")[:MAX_CHARS]))
        elif self._said == MAX_LINES + 1:
            self._say("(further output is discarded)")


class Child:
    """The process, in a session of its own, so that it can be ended with all that it started.

    It ends with this process, and must be attended by the thread that starts it, because the kernel ends it with that
    thread. Only the end of the `with` block reaps it: until then no other process has its number.

    Raises:
        OSError: The program cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], environment: Mapping[bytes, bytes], event: bytes, say: Callable[[str], None]
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
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it makes one system call
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._unsent, self._lines = event, Lines(say)
        os.set_blocking(self._stdin.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._stdin, select.POLLOUT)
        self._poll.register(self._stdout, select.POLLIN)

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not self._exited():  # nobody else would end it
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._lines.close()
        self._close(self._stdin)
        self._close(self._stdout)
        if self._exited():
            self._process.wait()

    def attend(self, until: Callable[[], float]) -> bool:
        """Exchange input and output until it has ended, or a monotonic time; return whether it has ended.

        It has ended when nobody holds its output any more: programs in the background count, too.
        """
        while not (self._stdout.closed and self._exited()):
            left_s = until() - time.monotonic()
            if left_s <= 0:
                return False
            self._exchange(min(left_s, TICK_S))
        return True

    def end(self, patience_s: float) -> bool:
        """End the whole group by SIGTERM, then SIGKILL; return whether it has ended."""
        for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, KILLED_S)):
            with suppress(ProcessLookupError, PermissionError):  # it has ended, or runs as another user by sudo
                os.killpg(self._process.pid, number)
            if self.attend(_fixed(time.monotonic() + wait_s)):
                return True
        return False

    def complaint(self) -> str:
        """Return what its exit status says is wrong, after its end; empty if nothing is."""
        status = self._process.wait()
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}" if status else ""

    def _exited(self) -> bool:
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped by us, or by the kernel if SIGCHLD is ignored
            return True

    def _exchange(self, patience_s: float) -> None:
        for descriptor, _ in self._poll.poll(patience_s * 1000):
            if not self._stdin.closed and descriptor == self._stdin.fileno():
                self._write()
            else:
                self._read()

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not read its input, which is fine
            self._unsent = b""
        if not self._unsent:
            self._close(self._stdin)

    def _read(self) -> None:
        received = os.read(self._stdout.fileno(), READ_BYTES)
        self._lines.push(received)
        if not received:
            self._close(self._stdout)

    def _close(self, pipe: IO[bytes]) -> None:
        if not pipe.closed:
            self._poll.unregister(pipe)
            pipe.close()


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent thread ends: prctl(2)."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _fixed(moment: float) -> Callable[[], float]:
    return lambda: moment
