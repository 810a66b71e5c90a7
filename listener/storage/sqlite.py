"""SQLite files that survive any end of the process: opened, checked, and set aside if they are damaged."""

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
CAUSES = "Check for a full disk, a damaged file, and a file of another user."
MODE = 0o640  # other users must not read what is heard in a home


def connect(
    path: Path, schema: Sequence[str], version: int, *, shrinks: bool = False, ours: bool = True
) -> sqlite3.Connection:
    """Open a database, or create it. One thread at a time may use it. A damaged file is set aside and logged.

    Args:
        path: The file.
        schema: Statements that create the tables.
        version: The version of the tables.
        shrinks: Whether PRAGMA incremental_vacuum gives room back to the disk.
        ours: Whether the file is known to be a database of this program. Another file is not set aside if it does not
            begin as a database.

    Raises:
        SinkError: The file cannot be opened, was written by a newer version, or is not a database.
    """
    try:
        refuse_special(path)
        foreign = not ours and is_foreign(path)  # checked now: SQLite deletes files beside one that it cannot open
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, MODE))  # SQLite gives the files beside it the same mode
        return _opened(path, schema, version, shrinks)
    except sqlite3.DatabaseError as err:
        if isinstance(err, sqlite3.OperationalError):
            raise unusable(path, err) from err
        if foreign:
            remedy = "Name another file, or move this one away."
            raise SinkError(f"{path} is not a database", code="database-foreign", remedy=remedy) from err
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        log.warning("%s is damaged (%s). It was renamed to %s, and a new one is begun.", path, err, aside.name)
        _set_aside(path, aside)
    except OSError as err:
        problem, remedy = f"{path} cannot be created ({err.strerror})", "Make its folder writable, or name another."
        raise SinkError(problem, code="database-unwritable", remedy=remedy) from err
    try:
        return _opened(path, schema, version, shrinks)
    except sqlite3.Error as err:
        raise unusable(path, err) from err


def in_memory(schema: Sequence[str]) -> sqlite3.Connection:
    """Return a database that ends with the process."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    for statement in schema:
        database.execute(statement)
    return database


def is_for_want_of_room(err: SinkError) -> bool:
    """Tell whether the disk was full: SQLite reports FULL, or IOERR if the shared memory file found no room."""
    cause = err.__cause__
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or getattr(cause, "errno", 0) == errno.ENOSPC


def reading(path: Path, version: int) -> sqlite3.Connection:
    """Open a database for reading only, also while another process writes it, or raise SinkError."""
    try:
        path.stat()
        refuse_special(path)
        return _read_only(path, version)
    except PermissionError as err:
        raise SinkError(f"{path} belongs to another user", code="database-permission", remedy="Use sudo.") from err
    except (OSError, sqlite3.Error) as err:
        raise SinkError(f"{path} cannot be read ({err})", code="database-unreadable", remedy=CAUSES) from err


@contextmanager
def writing(database: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Run the block as one transaction; raise SinkError if it cannot be written, as on a full disk."""
    try:
        with database:
            yield
    except sqlite3.Error as err:
        raise unusable(path, err) from err


def unusable(path: Path, err: Exception) -> SinkError:
    """Return the error about a database that cannot be used."""
    return SinkError(f"{path} cannot be used ({err})", code="database-unusable", remedy=CAUSES)


class Presence:
    """A lock beside a database that tells other processes that this one writes it. It ends with the process.

    The first process is `alone`, and keeps others out until it calls `share`. If the file cannot be locked, because
    the disk is full or on a network, it acts as if it were alone.
    """

    def __init__(self, path: Path) -> None:
        self.alone = True
        self._lock: int | None = None  # a file descriptor
        try:
            self._lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, MODE)
            self.alone = _is_first(self._lock)
        except OSError as err:
            log.debug("%s: cannot be locked (%s)", path, err)
            self.end()

    def share(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def end(self) -> None:
        """End the connection."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None


def _is_first(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)  # waits while another process starts
        return False
    return True


def refuse_special(path: Path) -> None:
    """Raise SinkError if the path is a folder, a FIFO or a device: opening one of those may block forever."""
    if path.exists() and not path.is_file():
        raise SinkError(f"{path} is not a regular file", code="file-special", remedy="Name another file.")


def _opened(path: Path, schema: Sequence[str], version: int, shrinks: bool) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        found = _version(database, path, version)
        if shrinks:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect only before there is a table
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing, a power cut the last second
        if found < version:
            with database:
                database.execute("BEGIN")  # so that a kill leaves no tables without a version
                for statement in schema:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {version}")
        _check(database)
    except BaseException:
        database.close()
        raise
    return database


def _read_only(path: Path, version: int) -> sqlite3.Connection:
    """SQLite creates files beside a file that nobody has open. Where it may not, nobody else writes the file either."""
    try:
        return _opened_read_only(path, "ro", version)
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _opened_read_only(path, "ro&immutable=1", version)


def _opened_read_only(path: Path, mode: str, version: int) -> sqlite3.Connection:
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
        remedy = "Update this one, or move the file away."
        raise SinkError(f"{path} was written by a newer listener", code="database-newer", remedy=remedy)
    return found


def _check(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _set_aside(path: Path, aside: Path) -> None:
    try:
        path.rename(aside)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    except OSError as err:
        problem = f"{path} is damaged and cannot be renamed ({err.strerror})"
        raise SinkError(problem, code="database-damaged", remedy="Move it away.") from err
