"""Lines that wait on disk for a receiver that is away: in order, bounded in number and age, over restarts."""

import fcntl
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, TypeVar

from listener.base.clocks import uptime
from listener.errors import SinkError
from listener.storage import sqlite

log = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_LINES = 10_000
OLDEST_S = 7 * 86_400.0
SPOOLS = 16  # of one receiver
GATHER_S = 60.0  # what another sink of the receiver has left behind is looked for so often
GATHERED_LINES = 1000  # in one transaction
SCHEMA = ("CREATE TABLE waiting (number INTEGER PRIMARY KEY, at REAL NOT NULL, line BLOB NOT NULL)",)


class Spool:
    """A queue in a file. `put` by one thread, `first` and `remove` by another; nobody else has the file.

    Removed only when it was delivered, a line may go out twice where the process dies in between, and never not at
    all. What is over the bounds is dropped, oldest first, and counted. What the disk does not take, a full one for
    instance, waits in memory until it does: nothing here fails once it is open. A file that turns out to be damaged is
    put aside, a new one begun, and what was lost with it counted as dropped.
    """

    def __init__(
        self,
        path: Path,
        *,
        most: int = MOST_LINES,
        oldest_s: float = OLDEST_S,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = uptime,
    ) -> None:
        self._path, self._most, self._oldest_s, self._clock, self._ticks = path, most, oldest_s, clock, ticks
        self._database = _opened(path)
        self._lock = threading.Lock()
        row = self._database.execute("SELECT count(*), coalesce(max(number), 0) FROM waiting").fetchone()
        self._waiting, last_of_before = int(row[0]), int(row[1])
        self._next = last_of_before + 1
        self._unwritten: dict[int, tuple[float, bytes]] = {}  # number -> when and what, in order, after all in the file
        self._unremoved: set[int] = set()  # done with, and still in the file
        self._given: set[int] = set()  # by `first`, and neither removed nor dropped since
        # Numbers of lines that wait and when they came. Their age is not asked of the wall clock, which the first
        # contact with the network may set forward by days; of lines from before there is no other.
        self._came: deque[tuple[int, float]] = deque()
        self._troubled = False
        self._closed = False
        self._owned: IO[bytes] | None = None  # the lock that keeps it ours, if there is one
        self._others: Sequence[Path] = ()  # files of the same receiver
        self._gathered = ticks()
        self.dropped = 0
        if self._waiting:
            log.info("%s: %d lines wait from before", path, self._waiting)

    def __len__(self) -> int:
        return self._waiting

    def put(self, line: bytes) -> None:
        """Add a line."""
        with self._lock:
            self._unwritten[self._next] = (self._clock(), line)
            self._came.append((self._next, self._ticks()))
            self._next += 1
            self._waiting += 1
            self._drop()
            self._save()

    def first(self, count: int) -> list[tuple[int, bytes]]:
        """The oldest lines with their numbers, by which they are removed. None once it is closed."""
        with self._lock:
            if self._closed:
                return []
            self._drop()
            self._save()
            in_file = [(number, line) for number, _, line in self._in_file(count)]
            lines = [*in_file, *((number, line) for number, (_, line) in self._unwritten.items())][:count]
            self._given.update(number for number, _ in lines)
            return lines

    def remove(self, number: int) -> None:
        """A line was delivered. They are removed in their order; one that was dropped meanwhile is gone already."""
        with self._lock:
            if number in self._given and not self._closed:
                self._forget(number)
                self._save()

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """What waits stays for the next time. Whoever still uses it finds it empty."""
        with self._lock:
            self._closed = True
            self._database.close()
            if self._owned is not None:
                self._owned.close()

    def own(self, lock: IO[bytes], others: Sequence[Path]) -> None:
        """Keep a lock until it is closed; and know where others of its receiver have theirs."""
        self._owned, self._others = lock, others

    def gather(self) -> None:
        """Take what nobody else will send over: a sink that is no more may have left it. To be called now and then.

        Only while nothing waits here, and not at once, so that those who are just being opened find their own.
        """
        with self._lock:
            if self._waiting or self._closed or self._ticks() - self._gathered < GATHER_S:
                return
            self._gathered = self._ticks()
            for path in [other for other in self._others if other.exists()]:
                try:
                    self._take_over(path)
                except (SinkError, sqlite3.Error, OSError) as err:  # again and again, it might send them as often
                    log.warning("%s: lines that were left there wait until the next start (%s)", path, err)
                    self._others = [other for other in self._others if other != path]

    def _take_over(self, path: Path) -> None:
        """Move the lines of a file that nobody has here. One may come twice where the process dies in between."""
        on_disk = self._database.execute("PRAGMA database_list").fetchone()[2]  # or in memory, and would lose them
        with _abandoned(path) as left:
            if left is None or not on_disk:
                return
            taken = sum(iter(lambda: self._move_some(left), 0))
            left.close()
            path.unlink()
        if taken:
            log.info("%s: %d lines that were left in %s are taken over", self._path, taken, path)

    def _move_some(self, left: sqlite3.Connection) -> int:
        """How many lines were moved; 0 when there are no more."""
        rows = left.execute(
            "SELECT number, at, line FROM waiting ORDER BY number LIMIT ?", (GATHERED_LINES,)
        ).fetchall()
        lines = [(number, at, line) for number, (_, at, line) in enumerate(rows, self._next)]
        with self._database as file:
            file.executemany("INSERT INTO waiting (number, at, line) VALUES (?, ?, ?)", lines)
        self._next += len(rows)
        self._waiting += len(rows)
        with left:
            left.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number, _, _ in rows])
        return len(rows)

    def _forget(self, number: int) -> None:
        self._given.discard(number)
        if self._unwritten.pop(number, None) is None:
            self._unremoved.add(number)
        self._waiting -= 1
        while len(self._came) > self._waiting:
            self._came.popleft()

    def _drop(self) -> None:
        """Forget what is over the bounds."""
        dropped = 0
        while self._waiting and (self._waiting > self._most or self._is_too_old()):
            oldest = self._oldest()
            if oldest is None:  # all are in a file that cannot be read now
                break
            self._forget(oldest[0])
            dropped += 1
        if dropped and not self.dropped:
            log.warning("%s: lines that waited too long, or were too many, are dropped", self._path)
        self.dropped += dropped

    def _is_too_old(self) -> bool:
        """Whether the oldest line is."""
        if len(self._came) == self._waiting:  # all are of this process
            return self._came[0][1] < self._ticks() - self._oldest_s
        oldest = self._oldest()
        return oldest is not None and oldest[1] < self._clock() - self._oldest_s

    def _oldest(self) -> tuple[int, float] | None:
        """The number of the oldest line that can be read, and when it came by the wall clock."""
        for number, at, _ in self._in_file(1):
            return number, at
        return next(((number, at) for number, (at, _) in self._unwritten.items()), None)

    def _in_file(self, count: int) -> list[tuple[int, float, bytes]]:
        """The oldest lines in the file that are not done with: number, when, what. None where it cannot be read."""
        try:
            rows = self._tried(lambda: self._read(count + len(self._unremoved)))
        except sqlite3.Error as err:
            self._note_trouble(err)
            return []
        return [row for row in rows if row[0] not in self._unremoved][:count]

    def _read(self, count: int) -> list[tuple[int, float, bytes]]:
        oldest = "SELECT number, at, line FROM waiting ORDER BY number LIMIT ?"
        return self._database.execute(oldest, (count,)).fetchall()

    def _save(self) -> None:
        """Bring the file up to date, in one transaction."""
        if not self._unwritten and not self._unremoved:
            return
        try:
            self._tried(self._write)
        except sqlite3.Error as err:
            self._note_trouble(err)
            return
        self._unwritten.clear()
        self._unremoved.clear()
        if self._troubled:
            log.info("%s: can be written again", self._path)
        self._troubled = False

    def _write(self) -> None:
        lines = [(number, at, line) for number, (at, line) in self._unwritten.items()]
        with self._database as file:
            file.executemany("INSERT INTO waiting (number, at, line) VALUES (?, ?, ?)", lines)
            file.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in self._unremoved])

    def _tried(self, act: Callable[[], Result]) -> Result:
        """What comes of something done with the file, or, where that turns out to be damaged, with a new one."""
        try:
            return act()
        except sqlite3.DatabaseError as err:
            if not _is_damage(err):
                raise
        self._begin_anew()
        return act()

    def _note_trouble(self, err: sqlite3.Error) -> None:
        if not self._troubled:
            log.warning("%s; until then lines wait in memory", sqlite.cannot(self._path, err))
        self._troubled = True

    def _begin_anew(self) -> None:
        """Go on with what is left of the lines, and count the others off: the readers go by how many wait."""
        self._database.close()
        self._database, left = _reopened(self._path)
        self._unremoved &= left
        left = (left - self._unremoved) | self._unwritten.keys()
        self._given &= left
        self._came = deque((number, at) for number, at in self._came if number in left)
        lost, self._waiting = self._waiting - len(left), len(left)
        self.dropped += lost
        log.warning("%s: %d lines that waited are lost with what was damaged", self._path, lost)


def own_spool(folder: Path, name: str, make: Callable[[Path], Spool], held: ExitStack) -> Spool:
    """A spool that no other sink or process has until it is closed, by `held` for one.

    Two sinks may have one receiver. Over one spool, both would send every line.
    """
    paths = [folder / f"{name}{f'-{number}' if number else ''}.db" for number in range(SPOOLS)]
    for path in paths:
        lock = _locked(path.with_suffix(".lock"))
        if lock:
            held.callback(lock.close)
            spool = make(path)
            spool.own(lock, [other for other in paths if other != path])
            held.callback(spool.close)
            return spool
    raise SinkError(f"{folder}/{name}.db: {SPOOLS} other sinks have it and its like; end the other listeners")


@contextmanager
def _abandoned(path: Path) -> Iterator[sqlite3.Connection | None]:
    """The database of a spool that nobody has, ours meanwhile; None where somebody has it."""
    lock = _locked(path.with_suffix(".lock"))
    if lock is None:
        yield None
        return
    with lock, closing(sqlite.connect(path, SCHEMA, 1)) as left:
        yield left


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return sqlite.connect(path, SCHEMA, 1)
    except SinkError as err:
        if not sqlite.is_for_want_of_room(err):
            raise
        log.warning("%s; until the next start lines wait in memory", err)
        return sqlite.in_memory(SCHEMA)


def _reopened(path: Path) -> tuple[sqlite3.Connection, set[int]]:
    """The database of a damaged file, a new one but for trifles, and the numbers of the lines in it."""
    try:
        file = _opened(path)
        return file, {number for (number,) in file.execute("SELECT number FROM waiting")}
    except (SinkError, sqlite3.Error) as err:
        log.warning("%s; until the next start lines wait in memory", err)
        return sqlite.in_memory(SCHEMA), set()


def _is_damage(err: sqlite3.Error) -> bool:
    """Whether waiting does not help. Of a full disk or a lock, which pass, SQLite has other codes."""
    return getattr(err, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _locked(path: Path) -> IO[bytes] | None:
    """The lock, None where somebody has it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("ab")
    except OSError as err:
        raise SinkError(f"{path}: cannot be made ({err.strerror}); make its folder writable") from err
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError as err:
        lock.close()
        raise SinkError(f"{path}: cannot be locked ({err.strerror}); use a folder on a local disk") from err
    return lock
