"""SQLite files that survive whatever happens to the process: opened, looked at, set aside where they are broken."""

import errno
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from listener.base.requirements import is_foreign
from listener.errors import SinkError

log = logging.getLogger(__name__)

BUSY_S = 5.0
MAGIC, LEAST_PAGE = b"SQLite format 3\0", 512  # https://www.sqlite.org/fileformat.html
MODE = 0o640  # what is heard in a home is not for every user of the machine


def connect(
    path: Path, schema: Sequence[str], version: int, *, shrinks: bool = False, ours: bool = True
) -> sqlite3.Connection:
    """The database of a file, made if it is not there, usable from any one thread at a time.

    A file that is damaged is put aside, said in the log, and a new one begun. SinkError where it cannot be opened, or
    is of a newer version of this program, or is not surely `ours` and by its beginning never was a database. One that
    `shrinks` gives room back when it is told PRAGMA incremental_vacuum.
    """
    try:
        _refuse_folder(path)
        foreign = not ours and is_foreign(path)  # now: SQLite deletes what is beside it, if it opens nothing
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, MODE))  # the files beside it will be as this one
        return _opened(path, schema, version, shrinks)
    except sqlite3.DatabaseError as err:
        if isinstance(err, sqlite3.OperationalError):
            raise SinkError(cannot(path, err)) from err
        if foreign:
            raise SinkError(f"{path}: is no database, and left as it is; name another file, or move it away") from err
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        log.warning("%s: is damaged (%s); it is put aside as %s and a new one begun", path, err, aside.name)
        _put_aside(path, aside)
    except OSError as err:
        raise SinkError(f"{path}: cannot be made ({err.strerror}); make its folder writable or name another") from err
    try:
        return _opened(path, schema, version, shrinks)
    except sqlite3.Error as err:
        raise SinkError(cannot(path, err)) from err


def in_memory(schema: Sequence[str]) -> sqlite3.Connection:
    """A database that is gone with the process."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    for statement in schema:
        database.execute(statement)
    return database


def is_for_want_of_room(err: SinkError) -> bool:
    """A full disk shows as FULL, or as IOERR where it is the shared memory beside the file that finds no room."""
    cause = err.__cause__
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or getattr(cause, "errno", 0) == errno.ENOSPC


def reading(path: Path, version: int) -> sqlite3.Connection:
    """The database of a file, to be read beside whoever writes it. SinkError where it cannot be."""
    try:
        path.stat()
        _refuse_folder(path)
        return _read_only(path, version)
    except PermissionError as err:
        raise SinkError(f"{path}: belongs to another user; try sudo") from err
    except (OSError, sqlite3.Error) as err:
        raise SinkError(f"{path}: cannot be read ({err}); is it another user's, or damaged?") from err


@contextmanager
def writing(database: sqlite3.Connection, path: Path) -> Iterator[None]:
    """One transaction. SinkError where it cannot be written, a full disk for one."""
    try:
        with database:
            yield
    except sqlite3.Error as err:
        raise SinkError(cannot(path, err)) from err


def cannot(path: Path, err: Exception) -> str:
    """What to say of a database that cannot be used."""
    return f"{path}: cannot be used ({err}); is the disk full, or the file damaged or another user's?"


class Presence:
    """Tells other processes that this one writes a database, by a lock beside it that ends with the process.

    Whoever comes is `alone` or not, and keeps others from coming until it calls `share`. Where no lock can be had, the
    disk being full or a network's, it is as if nobody else wrote.
    """

    def __init__(self, path: Path) -> None:
        self.alone = True
        self._lock: int | None = None  # a file descriptor
        try:
            self._lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, MODE)
            self.alone = _is_first(self._lock)
        except OSError as err:
            log.debug("%s: cannot be locked (%s)", path, err)
            self.end()

    def share(self) -> None:
        """Let others come."""
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def end(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None


def _is_first(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)  # no longer than somebody else comes
        return False
    return True


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise SinkError(f"{path}: is a folder; name a file in it")


def _opened(path: Path, schema: Sequence[str], version: int, shrinks: bool) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        found = _version(database, path, version)
        if shrinks:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded only before there is any table
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing, a power cut the last second
        if found < version:
            with database:
                database.execute("BEGIN")  # or a process killed here would leave tables of no version
                for statement in schema:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {version}")
        _look_through(database)
    except BaseException:
        database.close()
        raise
    return database


def _read_only(path: Path, version: int) -> sqlite3.Connection:
    """SQLite needs to write beside a file that nobody has open; where we may not, nothing changes under us either."""
    try:
        return _looked_at(path, "ro", version)
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _looked_at(path, "ro&immutable=1", version)


def _looked_at(path: Path, mode: str, version: int) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S)
    try:
        _version(database, path, version)
    except BaseException:
        database.close()
        raise
    return database


def _version(database: sqlite3.Connection, path: Path, ours: int) -> int:
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > ours:
        raise SinkError(f"{path}: was written by a newer listener; update this one, or move the file away")
    return found


def _look_through(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _put_aside(path: Path, aside: Path) -> None:
    try:
        path.rename(aside)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    except OSError as err:
        raise SinkError(f"{path}: is damaged and cannot be moved away ({err.strerror}); move it yourself") from err
