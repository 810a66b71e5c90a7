"""The lines that wait for one receiver, which may be slow."""

from collections import deque
from collections.abc import Mapping


class Subscriber:
    """Lanes of lines: one per kind, sent in the order of the lanes, bounded in lines each and in bytes together.

    A full lane loses its oldest line, so that meters never push out events. If all lanes hold too many bytes, the last
    lanes lose first. Lines are shared between subscribers, never copied. Not thread-safe.

    Args:
        lanes: Kind of line to the number of lines that may wait, the most important kind first.
        max_bytes: How many bytes may wait in all lanes together.
        kinds: The kinds that are wanted.
        labels: The labels that are wanted; None for all.
    """

    def __init__(
        self,
        lanes: Mapping[str, int],
        max_bytes: int,
        kinds: frozenset[str] = frozenset({"event"}),
        labels: frozenset[str] | None = None,
    ) -> None:
        self.kinds, self.labels = kinds, labels
        self.lost = 0  # lines for which the receiver was too slow
        self.waiting_bytes = 0
        self._bounds, self._max_bytes = dict(lanes), max_bytes
        self._lanes: dict[str, deque[bytes]] = {kind: deque() for kind in lanes}

    @property
    def lanes(self) -> list[str]:
        """The kinds of line, the most important first."""
        return list(self._lanes)

    def wants(self, kind: str, label: str | None = None) -> bool:
        """Tell whether the receiver asked for a kind of line, and for the label."""
        return kind in self.kinds and (label is None or self.labels is None or label in self.labels)

    def offer(self, kind: str, line: bytes) -> bool:
        """Queue a line.

        Returns:
            Whether the line fits without another one being lost.
        """
        lost = self.lost
        while len(self._lanes[kind]) >= self._bounds[kind]:
            self._lose(kind)
        self._lanes[kind].append(line)
        self.waiting_bytes += len(line)
        for victim in reversed(self._lanes):
            while self.waiting_bytes > self._max_bytes and self._lanes[victim]:
                self._lose(victim)
        return self.lost == lost

    def is_full(self, kind: str, size: int) -> bool:
        """Tell whether a line of this size would push out another one."""
        return len(self._lanes[kind]) >= self._bounds[kind] or self.waiting_bytes + size > self._max_bytes

    def next_line(self) -> bytes:
        """Remove and return the next line to send; empty if none waits."""
        for lane in self._lanes.values():
            if lane:
                line = lane.popleft()
                self.waiting_bytes -= len(line)
                return line
        return b""

    def take(self, kind: str) -> list[bytes]:
        """Remove and return the lines of one lane."""
        lines = list(self._lanes[kind])
        self._lanes[kind].clear()
        self.waiting_bytes -= sum(map(len, lines))
        return lines

    def clear(self) -> None:
        """Drop all lines."""
        for lane in self._lanes.values():
            lane.clear()
        self.waiting_bytes = 0

    def _lose(self, kind: str) -> None:
        self.waiting_bytes -= len(self._lanes[kind].popleft())
        self.lost += 1
