"""One client of the socket: what it asked for, and the lines that wait for it."""

import socket
from collections import deque
from dataclasses import dataclass, field

EVENTS = 256  # lines that wait for a slow client
ANSWERS = 64
LINE_BYTES = 64 * 1024  # a client's line may be so long


def _lanes() -> dict[str, deque[bytes]]:
    # In the order in which they are sent. Each kind has its own bound, so meters never push out events.
    bounds = {"answer": ANSWERS, "event": EVENTS, "level": 32, "spectrum": 32, "status": 8}
    return {kind: deque(maxlen=bound) for kind, bound in bounds.items()}


@dataclass(slots=True, eq=False)
class Peer:
    """A client. Its lanes are filled by any thread under the server's lock; the rest is the server thread's own."""

    connection: socket.socket
    topics: frozenset[str] = frozenset({"event"})
    labels: frozenset[str] | None = None
    lost: int = 0  # lines it was too slow for
    blocked_at: float | None = None  # since when its side takes nothing, monotonic
    leave_by: float | None = None  # set when it is to go: what waits is sent, nothing new is added
    gone: bool = False  # its own side has said its last
    prove_by: float | None = None  # until it has shown the token that it needs: when it is sent away, monotonic
    why: str = ""  # and then for this reason
    _lanes: dict[str, deque[bytes]] = field(default_factory=_lanes)
    _unsent: bytes = b""  # the rest of a line whose front is out: it is never dropped
    _unread: bytes = b""  # the front of a line whose rest has not come

    def wants(self, kind: str, label: str | None = None) -> bool:
        """Whether it asked for this kind of line, and for this label."""
        return kind in self.topics and (label is None or self.labels is None or label in self.labels)

    def ask(self, topics: frozenset[str], labels: frozenset[str] | None) -> None:
        """Go on with these. The events that waited go out before what is answered now, for that ends what was asked."""
        self.topics, self.labels = topics, labels
        self._unsent += b"".join(self._lanes["event"])
        for kind in {"event", *(self._lanes.keys() - topics - {"answer"})}:
            self._lanes[kind].clear()

    def offer(self, kind: str, line: bytes) -> None:
        """Queue a line; a full lane loses its oldest."""
        if self.leave_by is None:
            lane = self._lanes[kind]
            self.lost += len(lane) == lane.maxlen
            lane.append(line)

    def answer(self, line: bytes) -> None:
        """Queue what must not be lost. ValueError where it asks and asks, and never reads the answers."""
        if len(self._lanes["answer"]) == ANSWERS:
            raise ValueError("the answers are not read")
        self.offer("answer", line)

    def next_line(self) -> bytes:
        """What to send next, empty where nothing waits."""
        if self._unsent:
            line, self._unsent = self._unsent, b""
            return line
        return next((lane.popleft() for lane in self._lanes.values() if lane), b"")

    def unsend(self, rest: bytes) -> None:
        """What could not be sent of the last line."""
        self._unsent = rest

    @property
    def waiting(self) -> bool:
        """Whether a line waits."""
        return bool(self._unsent) or any(self._lanes.values())

    def lines(self, received: bytes) -> list[bytes]:
        """The lines that are whole now, without the empty ones. ValueError for one that is too long."""
        *whole, self._unread = (self._unread + received).split(b"\n")
        if any(len(line) > LINE_BYTES for line in (*whole, self._unread)):
            self._unread = b""
            raise ValueError(f"a line of more than {LINE_BYTES // 1024} KiB")
        return [line for line in whole if line.strip()]

    @property
    def mid_line(self) -> bool:
        """Whether the last line it sent lacks its end."""
        return bool(self._unread.strip())

    def forget(self) -> None:
        """Drop every line that waits, except the one whose front is out already."""
        for lane in self._lanes.values():
            lane.clear()
