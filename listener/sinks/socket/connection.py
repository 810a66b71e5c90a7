"""One client of the control socket: what it asked for, and what waits for it."""

import socket
import time

from listener.routing.subscriber import Subscriber

EVENTS = 256  # lines that wait for a slow client, and that can be replayed
ANSWERS = 64
LANES = {"answer": ANSWERS + EVENTS, "event": EVENTS, "level": 32, "spectrum": 32, "status": 8}
MAX_WAITING_BYTES = 128 * 1024
MAX_LINE_BYTES = 16 * 1024  # of a client's line


class SocketClient(Subscriber):
    """A connection. Other threads only `offer`, under the server's lock; the rest belongs to the server's thread."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(LANES, MAX_WAITING_BYTES)
        self.connection = connection
        self.connected_at = time.monotonic()
        self.is_local = connection.family == socket.AF_UNIX
        self.host = "" if self.is_local else _host(connection)
        self.blocked_at: float | None = None  # since when its side accepts nothing; monotonic, as all times here
        self.leave_by: float | None = None  # being disconnected: what waits is sent, nothing is added
        self.has_ended = False  # its side sends nothing more
        self.auth_deadline: float | None = None  # until it has sent the token
        self.reason = ""  # why it is disconnected at that time
        self._unsent = b""  # the rest of a line whose beginning is sent, and which is never dropped
        self._unread = b""  # the beginning of a line whose rest has not arrived

    def subscribe(self, kinds: frozenset[str], labels: frozenset[str] | None) -> None:
        """Continue with another subscription. Events that wait are sent before the answer, which ends the old one.

        Raises:
            ValueError: The client does not read answers.
        """
        self.kinds, self.labels = kinds, labels
        for kind in self.lanes:
            if kind not in ("answer", "event") and kind not in kinds:
                self.take(kind)
        for line in self.take("event"):
            self.answer(line)

    def offer(self, kind: str, line: bytes) -> bool:
        """Queue a line, unless the client is being disconnected."""
        return self.leave_by is not None or super().offer(kind, line)

    def answer(self, line: bytes) -> None:
        """Queue a line that must not be lost.

        Raises:
            ValueError: The client does not read answers.
        """
        if self.is_full("answer", len(line)):
            raise ValueError("the answers are not read")
        self.offer("answer", line)

    def next_line(self) -> bytes:
        """Remove and return what to send next; empty if nothing waits."""
        if self._unsent:
            line, self._unsent = self._unsent, b""
            return line
        return super().next_line()

    def unsend(self, rest: bytes) -> None:
        """Put back what could not be sent of the last line."""
        self._unsent = rest

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._unsent) or self.waiting_bytes > 0

    def lines(self, received: bytes) -> list[bytes]:
        """Return the lines that are complete now, without empty ones.

        Raises:
            ValueError: A line is too long.
        """
        *whole, self._unread = (self._unread + received).split(b"\n")
        if any(len(line) > MAX_LINE_BYTES for line in (*whole, self._unread)):
            self._unread = b""
            raise ValueError(f"a line is longer than {MAX_LINE_BYTES // 1024} KiB")
        return [line for line in whole if line.strip()]

    @property
    def is_mid_line(self) -> bool:
        """Whether the last line that it sent has no end."""
        return bool(self._unread.strip())


def _host(connection: socket.socket) -> str:
    try:
        return str(connection.getpeername()[0])
    except OSError:  # it is gone already
        return ""
