"""Lines that wait on disk while their receiver is away: in order, bounded in number and age, across restarts."""

import fcntl
import logging
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, TypeVar

from listener.base.clocks import uptime
from listener.base.incidents import IncidentLog
from listener.errors import SinkError
from listener.storage import sqlite

log = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_LINES = 10_000
MAX_AGE_S = 7 * 86_400.0
OLD_SPOOLS = 16  # earlier versions numbered the spools of one receiver
SCHEMA = ("CREATE TABLE waiting (number INTEGER PRIMARY KEY, at REAL NOT NULL, line BLOB NOT NULL)",)


class Spool:
    """A queue in a file. `put` is for one thread, `first` and `remove` for another.

    At-least-once delivery: a line is removed only after it was delivered, so a crash can duplicate but never lose it.
    Lines over the bounds are dropped, oldest first, and counted. Lines that the disk does not take wait in memory, so
    nothing here fails once the spool is open. A damaged file is set aside, and what was lost with it is counted.

    Args:
        path: The file.
        max_lines: How many lines may wait.
        max_age_s: How long a line may wait, in seconds.
        clock: The wall clock.
        ticks: A clock that nobody sets.
        lock: An open file whose lock is held until the spool is closed.

    Raises:
        SinkError: The file cannot be opened or created.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_lines: int = MAX_LINES,
        max_age_s: float = MAX_AGE_S,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = uptime,
        lock: IO[bytes] | None = None,
    ) -> None:
        self._path, self._max_lines, self._max_age_s, self._clock, self._ticks = (
            path,
            max_lines,
            max_age_s,
            clock,
            ticks,
        )
        self._database = _opened(path)
        self._file_lock, self._lock = lock, threading.Lock()
        row = self._database.execute("SELECT count(*), coalesce(max(number), 0) FROM waiting").fetchone()
        self._waiting, last_number = int(row[0]), int(row[1])
        self._next = last_number + 1
        self._unwritten: dict[int, tuple[float, bytes]] = {}  # number -> time and line, after all that is in the file
        self._unremoved: set[int] = set()  # delivered or dropped, but still in the file
        self._given: set[int] = set()  # returned by `first`, and neither removed nor dropped since
        # Numbers and arrival times of waiting lines. The first contact with the network may set the wall clock forward
        # by years, which must not make lines old; for lines of an earlier process there is no other clock.
        self._arrivals: deque[tuple[int, float]] = deque()
        self._incidents = IncidentLog("", log)
        self.is_closed = False
        self.dropped = 0
        if self._waiting:
            log.info("%s: %d lines wait from before", path, self._waiting)

    def __len__(self) -> int:
        return self._waiting

    def put(self, line: bytes) -> None:
        """Add a line."""
        with self._lock:
            self._unwritten[self._next] = (self._clock(), line)
            self._arrivals.append((self._next, self._ticks()))
            self._next += 1
            self._waiting += 1
            self._drop_surplus()
            self._save()

    def first(self, count: int) -> list[tuple[int, bytes]]:
        """Return the oldest lines with their numbers, by which they are removed; none if the spool is closed."""
        with self._lock:
            if self.is_closed:
                return []
            self._drop_surplus()
            self._save()
            in_file = [(number, line) for number, _, line in self._in_file(count)]
            lines = [*in_file, *((number, line) for number, (_, line) in self._unwritten.items())][:count]
            self._given.update(number for number, _ in lines)
            return lines

    def remove(self, number: int) -> None:
        """Remove a line that was delivered. Lines are removed in order; one may have been dropped meanwhile."""
        with self._lock:
            if number in self._given and not self.is_closed:
                self._forget(number)
                self._save()

    def close(self) -> None:
        """Release the file. Waiting lines stay in it; a thread that still uses the spool finds it empty."""
        with self._lock:
            self.is_closed = True
            self._database.close()
            if self._file_lock is not None:
                self._file_lock.close()

    def _forget(self, number: int) -> None:
        self._given.discard(number)
        if self._unwritten.pop(number, None) is None:
            self._unremoved.add(number)
        self._waiting -= 1
        while len(self._arrivals) > self._waiting:
            self._arrivals.popleft()

    def _drop_surplus(self) -> None:
        dropped = 0
        while self._waiting and (self._waiting > self._max_lines or self._is_oldest_too_old()):
            oldest = self._oldest()
            if oldest is None:  # all are in a file that cannot be read now
                break
            self._forget(oldest[0])
            dropped += 1
        if dropped:
            self._incidents.report(
                f"{self._path}: lines that waited too long, or were too many, are dropped", "dropped"
            )
        self.dropped += dropped

    def _is_oldest_too_old(self) -> bool:
        if len(self._arrivals) == self._waiting:  # all are of this process
            return self._arrivals[0][1] < self._ticks() - self._max_age_s
        oldest = self._oldest()
        return oldest is not None and oldest[1] < self._clock() - self._max_age_s

    def _oldest(self) -> tuple[int, float] | None:
        """Return number and wall clock time of the oldest line that can be read."""
        for number, at, _ in self._in_file(1):
            return number, at
        return next(((number, at) for number, (at, _) in self._unwritten.items()), None)

    def _in_file(self, count: int) -> list[tuple[int, float, bytes]]:
        """Return number, time and text of the oldest lines in the file; none if it cannot be read."""
        try:
            rows = self._retried(lambda: self._read(count + len(self._unremoved)))
        except sqlite3.Error as err:
            self._report(err)
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
            self._retried(self._write)
        except sqlite3.Error as err:
            self._report(err)
            return
        self._unwritten.clear()
        self._unremoved.clear()
        self._incidents.resolve(f"{self._path}: can be written again", forget=False)

    def _write(self) -> None:
        lines = [(number, at, line) for number, (at, line) in self._unwritten.items()]
        with self._database as file:
            file.executemany("INSERT INTO waiting (number, at, line) VALUES (?, ?, ?)", lines)
            file.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in self._unremoved])

    def _retried(self, act: Callable[[], Result]) -> Result:
        """Use the file; if it is damaged, begin a new one and try again."""
        try:
            return act()
        except sqlite3.DatabaseError as err:
            if not _is_damage(err):
                raise
        self._replace_file()
        return act()

    def _report(self, err: sqlite3.Error) -> None:
        self._incidents.report(f"{sqlite.unusable(self._path, err)} Until then lines wait in memory.", "unwritable")

    def _replace_file(self) -> None:
        """Continue with what is left of the lines, and count the others as dropped."""
        self._database.close()
        self._database, left = _reopened(self._path)
        self._unremoved &= left
        left = (left - self._unremoved) | self._unwritten.keys()
        self._given &= left
        self._arrivals = deque((number, at) for number, at in self._arrivals if number in left)
        lost, self._waiting = self._waiting - len(left), len(left)
        self.dropped += lost
        log.warning("%s: %d waiting lines were lost with the damaged file", self._path, lost)


def spool_name(kind: str, receiver: str, name: str) -> str:
    """Return the name of a spool: of the receiver, and of the sink if it has a name of its own."""
    return f"{kind}-{receiver}" + (f"-{re.sub('[^a-zA-Z0-9_-]', '_', name)}" if name else "")


def open_spool(
    folder: Path, name: str, held: ExitStack, *, max_lines: int = MAX_LINES, max_age_s: float = MAX_AGE_S
) -> Spool:
    """Open the spool of one sink, and move the lines of numbered spools of earlier versions into it.

    Args:
        folder: Where spools are.
        name: Identifies sink and receiver; the name of the file without its ending.
        held: Closes spool and lock.
        max_lines: As for `Spool`.
        max_age_s: As for `Spool`.

    Raises:
        SinkError: Another sink or process has the spool: both would send every line.
    """
    path = folder / f"{name}.db"
    lock = _locked(path)
    if lock is None:
        remedy = "Give one of the two sinks a name of its own, with name = 'second', or stop the other listener."
        raise SinkError(f"{path} is used by another sink", code="spool-in-use", remedy=remedy)
    held.callback(lock.close)
    for number in range(1, OLD_SPOOLS):
        old = folder / f"{name}-{number}.db"
        if old.exists():
            _move_lines(old, path)
    spool = Spool(path, max_lines=max_lines, max_age_s=max_age_s, lock=lock)
    held.callback(spool.close)
    return spool


def _move_lines(old: Path, path: Path) -> None:
    """Move the lines of an old spool. If the process dies in between, some are sent twice."""
    lock = _locked(old)
    if lock is None:  # an earlier version still uses it
        return
    try:
        with (
            lock,
            closing(sqlite.connect(old, SCHEMA, 1)) as source,
            closing(sqlite.connect(path, SCHEMA, 1)) as target,
        ):
            lines = source.execute("SELECT at, line FROM waiting ORDER BY number").fetchall()
            with target:
                target.executemany("INSERT INTO waiting (at, line) VALUES (?, ?)", lines)
        old.unlink()
        old.with_suffix(".lock").unlink(missing_ok=True)
    except (SinkError, sqlite3.Error, OSError) as err:
        log.warning("%s: its lines cannot be moved to %s (%s)", old, path, err)
    else:
        log.info("%s: %d lines of %s were taken over", path, len(lines), old)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return sqlite.connect(path, SCHEMA, 1)
    except SinkError as err:
        if not sqlite.is_for_want_of_room(err):
            raise
        log.warning("%s Until the next start lines wait in memory.", err)
        return sqlite.in_memory(SCHEMA)


def _reopened(path: Path) -> tuple[sqlite3.Connection, set[int]]:
    """Return the database that replaces a damaged one, and the numbers of the lines that could be saved."""
    try:
        file = _opened(path)
        return file, {number for (number,) in file.execute("SELECT number FROM waiting")}
    except (SinkError, sqlite3.Error) as err:
        log.warning("%s Until the next start lines wait in memory.", err)
        return sqlite.in_memory(SCHEMA), set()


def _is_damage(err: sqlite3.Error) -> bool:
    """Tell damage, which stays, from a full disk or a lock, which pass."""
    return getattr(err, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _locked(path: Path) -> IO[bytes] | None:
    """Lock the lock file of a spool; None if another sink or process has locked it."""
    path = path.with_suffix(".lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sqlite.refuse_special(path)
        lock = path.open("ab")
    except OSError as err:
        problem, remedy = f"{path} cannot be created ({err.strerror})", "Make its folder writable."
        raise SinkError(problem, code="spool-unwritable", remedy=remedy) from err
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError as err:
        lock.close()
        problem, remedy = f"{path} cannot be locked ({err.strerror})", "Use a folder on a local disk."
        raise SinkError(problem, code="spool-unlockable", remedy=remedy) from err
    return lock
