"""Lines that wait on disk for a receiver that is away: in order, bounded in number and age, over restarts."""

import fcntl
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from listener import database
from listener.errors import SinkError

log = logging.getLogger(__name__)

MOST_LINES = 10_000
OLDEST_S = 7 * 86_400.0
SPOOLS = 16  # of one receiver
IN_MEMORY = 1 << 62  # lines in memory are numbered from here: after those in the file
SCHEMA = ("CREATE TABLE waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, line BLOB NOT NULL)",)


class Spool:
    """A queue in a file. `put` by one thread, `first` and `remove` by another; nobody else has the file.

    Removed only when it was delivered, a line may go out twice where the process dies in between, and never not at
    all. What is over the bounds is dropped, oldest first, and counted. While the disk is full, lines wait in memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        most: int = MOST_LINES,
        oldest_s: float = OLDEST_S,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._most, self._oldest_s, self._clock, self._ticks = path, most, oldest_s, clock, ticks
        self._database = _opened(path)
        self._lock = threading.Lock()
        row = self._database.execute("SELECT count(*), coalesce(max(number), 0) FROM waiting").fetchone()
        self._waiting, self._last_of_before = int(row[0]), int(row[1])
        # Numbers of lines and when they came. Their age is not asked of the wall clock, which the first contact with
        # the network may set forward by days; of lines from before there is no other.
        self._came: deque[tuple[int, float]] = deque()
        self._in_memory: dict[int, bytes] = {}  # what came while the disk was full, after all that is on it
        self._delivered: set[int] = set()  # lines on a full disk that could not be removed from it
        self.dropped = 0
        if self._waiting:
            log.info("%s: %d lines wait from before", path, self._waiting)

    def __len__(self) -> int:
        return self._waiting

    def put(self, line: bytes) -> None:
        """Add a line. SinkError where the file cannot be used, for another reason than a full disk."""
        with self._lock:
            try:
                gone = 0 if self._in_memory else self._write(line)
            except SinkError as err:
                if not database.is_for_want_of_room(err):
                    raise
                log.warning("%s; until there is room lines wait in memory", err)
                gone = self._remember(line)
            else:
                if self._in_memory:  # those must go first
                    gone = self._remember(line)
            self._count(1, gone)

    def first(self, count: int) -> list[tuple[int, bytes]]:
        """The oldest lines with their numbers, by which they are removed."""
        with self._lock:
            self._count(0, self._drop_if_there_is_room())
            oldest = "SELECT number, line FROM waiting ORDER BY number LIMIT ?"
            with database.writing(self._database, self._path):
                found = self._database.execute(oldest, (count + len(self._delivered),)).fetchall()
            lines = [(number, line) for number, line in found if number not in self._delivered]
            return [*lines, *self._in_memory.items()][:count]

    def remove(self, number: int) -> None:
        """A line was delivered."""
        with self._lock:
            if number in self._in_memory:
                del self._in_memory[number]
                self._waiting -= 1
            elif number not in self._delivered:
                self._delivered.add(number)
                self._waiting -= 1
            self._forget_delivered()

    def close(self) -> None:
        """What waits stays for the next time."""
        with self._lock:
            self._database.close()

    def _write(self, line: bytes) -> int:
        """Add a line to the file; how many were dropped for it."""
        with database.writing(self._database, self._path):
            added = self._database.execute("INSERT INTO waiting (at, line) VALUES (?, ?)", (self._clock(), line))
            gone = self._drop(self._waiting + 1)
        self._came.append((added.lastrowid or 0, self._ticks()))
        return gone

    def _remember(self, line: bytes) -> int:
        """Add a line to those in memory; how many were dropped for it."""
        self._in_memory[max(self._in_memory, default=IN_MEMORY) + 1] = line
        over = len(self._in_memory) > self._most
        if over:
            del self._in_memory[next(iter(self._in_memory))]
        return int(over)

    def _forget_delivered(self) -> None:
        """Remove from the file what was delivered; where the disk is full, with a later line."""
        try:
            with database.writing(self._database, self._path):
                numbers = [(number,) for number in self._delivered]
                self._database.executemany("DELETE FROM waiting WHERE number = ?", numbers)
            self._delivered.clear()
        except SinkError as err:
            if not database.is_for_want_of_room(err):
                raise

    def _drop_if_there_is_room(self) -> int:
        try:
            with database.writing(self._database, self._path):
                return self._drop(self._waiting)
        except SinkError as err:
            if not database.is_for_want_of_room(err):
                raise
            return 0

    def _drop(self, waiting: int) -> int:
        """Delete what is over the bounds of so many lines; how many those were."""
        oldest = self._clock() - self._oldest_s
        before = "DELETE FROM waiting WHERE number <= ? AND at < ?"
        gone = self._database.execute(before, (self._last_of_before, oldest)).rowcount
        while self._came and self._came[0][1] < self._ticks() - self._oldest_s:
            number, _ = self._came.popleft()
            gone += self._database.execute("DELETE FROM waiting WHERE number = ?", (number,)).rowcount
        over = waiting - gone - self._most
        if over > 0:
            first = "SELECT number FROM waiting ORDER BY number LIMIT ?"
            gone += self._database.execute(f"DELETE FROM waiting WHERE number IN ({first})", (over,)).rowcount
        return gone

    def _count(self, added: int, gone: int) -> None:
        if gone and not self.dropped:
            log.warning("%s: lines that waited too long, or were too many, are dropped", self._path)
        self._waiting += added - gone
        self.dropped += gone
        while len(self._came) > self._waiting:  # delivered or dropped since
            self._came.popleft()


def own_spool(folder: Path, name: str, make: Callable[[Path], Spool], held: ExitStack) -> Spool:
    """A spool that no other sink or process has for as long as `held` is not closed.

    Two sinks may have one receiver. Over one spool, both would send every line.
    """
    for number in range(SPOOLS):
        path = folder / f"{name}{f'-{number}' if number else ''}.db"
        lock = _locked(path.with_suffix(".lock"))
        if lock:
            held.callback(lock.close)
            spool = make(path)
            held.callback(spool.close)
            return spool
    raise SinkError(f"{folder}/{name}.db: {SPOOLS} other sinks have it and its like; end the other listeners")


def _opened(path: Path) -> "database.Connection":
    try:
        return database.connect(path, SCHEMA, 1)
    except SinkError as err:
        if not database.is_for_want_of_room(err):
            raise
        log.warning("%s; until the next start lines wait in memory", err)
        return database.in_memory(SCHEMA)


def _locked(path: Path) -> IO[bytes] | None:
    """The lock, None where somebody has it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("ab")
    except OSError as err:
        raise SinkError(f"{path}: cannot be made ({err.strerror}); make its folder writable") from err
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
