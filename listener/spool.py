"""Lines that wait on disk for a receiver that is away: in order, bounded in number and age, over restarts."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from listener import database

log = logging.getLogger(__name__)

MOST_LINES = 10_000
OLDEST_S = 7 * 86_400.0
SCHEMA = ("CREATE TABLE waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, line BLOB NOT NULL)",)


class Spool:
    """A queue in a file. `put` by one thread, `first` and `remove` by another.

    Removed only when it was delivered, a line may go out twice where the process dies in between, and never not at
    all. What is over the bounds is dropped, oldest first, and counted.
    """

    def __init__(
        self, path: Path, *, most: int = MOST_LINES, oldest_s: float = OLDEST_S, clock: Callable[[], float] = time.time
    ) -> None:
        self._path, self._most, self._oldest_s, self._clock = path, most, oldest_s, clock
        self._database = database.connect(path, SCHEMA, 1)
        self._lock = threading.Lock()
        self._waiting = int(self._database.execute("SELECT count(*) FROM waiting").fetchone()[0])
        self.dropped = 0
        if self._waiting:
            log.info("%s: %d lines wait from before", path, self._waiting)

    def __len__(self) -> int:
        return self._waiting

    def put(self, line: bytes) -> None:
        """Add a line. SinkError where the disk does not take it."""
        with self._lock:
            with database.writing(self._database, self._path):
                self._database.execute("INSERT INTO waiting (at, line) VALUES (?, ?)", (self._clock(), line))
                gone = self._drop(self._waiting + 1)
            self._count(1, gone)

    def first(self, count: int) -> list[tuple[int, bytes]]:
        """The oldest lines with their numbers, by which they are removed."""
        with self._lock:
            with database.writing(self._database, self._path):
                gone = self._drop(self._waiting)
                found = self._database.execute("SELECT number, line FROM waiting ORDER BY number LIMIT ?", (count,))
                lines: list[tuple[int, bytes]] = found.fetchall()
            self._count(0, gone)
            return lines

    def remove(self, number: int) -> None:
        """A line was delivered."""
        with self._lock:
            with database.writing(self._database, self._path):
                removed = self._database.execute("DELETE FROM waiting WHERE number = ?", (number,)).rowcount
            self._waiting -= removed

    def close(self) -> None:
        """What waits stays for the next time."""
        with self._lock:
            self._database.close()

    def _drop(self, waiting: int) -> int:
        """Delete what is over the bounds of so many lines; how many those were."""
        gone = self._database.execute("DELETE FROM waiting WHERE at < ?", (self._clock() - self._oldest_s,)).rowcount
        over = waiting - gone - self._most
        if over > 0:
            oldest = "SELECT number FROM waiting ORDER BY number LIMIT ?"
            gone += self._database.execute(f"DELETE FROM waiting WHERE number IN ({oldest})", (over,)).rowcount
        return gone

    def _count(self, added: int, gone: int) -> None:
        if gone and not self.dropped:
            log.warning("%s: lines that waited too long, or were too many, are dropped", self._path)
        self._waiting += added - gone
        self.dropped += gone
