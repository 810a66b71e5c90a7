"""The history: one row per event in an SQLite file, bounded in age and size, that survives any end of the process."""

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from listener.base import paths
from listener.errors import SinkError
from listener.messages import Event, run_id
from listener.storage import sqlite
from listener.storage.sqlite import Presence

log = logging.getLogger(__name__)

VERSION = 1
SCHEMA = (
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        at REAL NOT NULL,       -- Unix time of the start; of its first line where the source has no clock (files)
        label TEXT NOT NULL,
        source TEXT NOT NULL,
        model TEXT NOT NULL,
        peak REAL NOT NULL,
        level_dbfs REAL NOT NULL,
        start TEXT,             -- by the wall clock, as on the wire
        "end" TEXT,
        start_s REAL NOT NULL,  -- in the source's own stream
        end_s REAL,
        detected_s REAL NOT NULL,
        under_way INTEGER NOT NULL,
        note TEXT,              -- what is unusual about the row
        clip TEXT,              -- its recording, from the folder of this file
        clip_note TEXT          -- why there is none, where one was wanted
    )""",
    "CREATE INDEX events_by_what ON events (at, label, source, peak)",
)
# Of a file that an earlier version began. A million events are counted and sifted from the index alone.
INDICES = (
    "CREATE INDEX IF NOT EXISTS events_by_what ON events (at, label, source, peak)",
    "DROP INDEX IF EXISTS events_by_time",
)
PUT = """
    INSERT INTO events (id, at, label, source, model, peak, level_dbfs, start, "end", start_s, end_s, detected_s,
        under_way)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET peak = excluded.peak, level_dbfs = excluded.level_dbfs, "end" = excluded."end",
        end_s = excluded.end_s, under_way = excluded.under_way, note = NULL
"""
LEAVE = "UPDATE events SET under_way = 0, note = ? WHERE under_way AND id NOT GLOB ?"
END_UNKNOWN = "end unknown: listener ended before it was stored"
SYSTEM = Path("/var/lib/listener/history.db")  # what the systemd unit's state folder makes of the default

TIDY_S = 600.0
HOUR_S = 3600.0
DAY_S = 86_400.0
BATCH = 1000
CHUNK = 500  # rows that are read at once
ROOM = 0.9  # a file that has grown too big is cut back to this share, or it would be too big again at once


def default_path() -> Path:
    """Return the path of the history unless the configuration names another."""
    return paths.state_folder() / "history.db"


class History:
    """The file, for writing, from any thread.

    A file that cannot be opened or written, for example because the disk is full, is tried again with the next event.
    One that was moved away or is damaged is replaced by a new one.

    Args:
        path: The file.
        keep_days: Older events are deleted.
        max_mb: Size from which on the oldest events are deleted.
        clock: The wall clock.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep_days: float,
        max_mb: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._keep_s, self._max_bytes, self._clock = keep_days * DAY_S, max_mb * 1e6, clock
        self._database: sqlite3.Connection | None = None
        self._presence: Presence | None = None
        self._inode = 0
        self._tidied = 0.0
        self._lock = threading.RLock()

    def open(self) -> None:
        """Open the file, and close rows that an earlier process left open. Those of this process stay open at a reload.

        Raises:
            SinkError: The file can never be written, or is not a database. A full disk is only logged.
        """
        with self._lock:
            try:
                self._opened()
            except SinkError as err:
                if not sqlite.is_for_want_of_room(err):
                    raise
                log.warning("%s", err)

    def close(self) -> None:
        """Close it; safe to call twice."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            if self._presence is not None:
                self._presence.end()
            self._database = self._presence = None

    def record(self, event: Event) -> None:
        """Store the latest line of an event, or raise SinkError if the disk does not take it."""
        at = datetime.fromisoformat(event.start).timestamp() if event.start else self._clock()
        what = (event.id, at, event.label, event.source, event.model, event.peak, event.level_dbfs)
        when = (event.start, event.end, event.start_s, event.end_s, event.detected_s)
        self._write(PUT, (*what, *when, event.phase in ("start", "update")))
        if abs(self._clock() - self._tidied) > TIDY_S:
            self.tidy()

    def keep_clip(self, event_id: str, clip: str | None, note: str | None) -> None:
        """Store where the recording of an event is, or why there is none."""
        self._write("UPDATE events SET clip = ?, clip_note = ? WHERE id = ?", (clip, note, event_id))

    def forget_clip(self, clip: str, note: str) -> None:
        """Store that a recording is deleted."""
        self._write("UPDATE events SET clip = NULL, clip_note = ? WHERE clip = ?", (note, clip))

    def tidy(self) -> None:
        """Delete old events and, while the file is too big, the oldest, and give the room back to the disk."""
        with self._lock:
            self._tidied = self._clock()
            try:
                self._tidy(self._opened())
            except (SinkError, sqlite3.Error) as err:  # the event itself is stored all the same
                log.warning("%s: old events cannot be deleted (%s)", self.path, err)

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock:
            connection = self._opened()
            try:
                with sqlite.writing(connection, self.path):
                    connection.execute(statement, values)
            except SinkError as err:
                if not isinstance(err.__cause__, sqlite3.OperationalError):
                    self.close()  # damaged: the next event sets it aside
                raise

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None and not self._was_moved():
            return self._database
        self.close()
        connection = sqlite.connect(self.path, SCHEMA, VERSION, shrinks=True, ours=not self._was_moved())
        presence = Presence(self.path)
        try:
            with sqlite.writing(connection, self.path):
                for statement in INDICES:
                    connection.execute(statement)
                left = connection.execute(LEAVE, (END_UNKNOWN, f"{run_id()}*")).rowcount if presence.alone else 0
            if left:
                log.info("%s: %d events have no end: listener was ended in them", self.path, left)
            presence.share()
            self._inode = self.path.stat().st_ino
        except BaseException:
            connection.close()
            presence.end()
            raise
        self._database, self._presence = connection, presence
        self.tidy()
        return connection

    def _was_moved(self) -> bool:
        """Tell whether the path is another file now: SQLite would go on writing to the one that was moved."""
        try:
            return self.path.stat().st_ino != self._inode
        except OSError:
            return True

    def _tidy(self, connection: sqlite3.Connection) -> None:
        old = self._clock() - self._keep_s
        while self._delete(connection, "WHERE at < ? ORDER BY at LIMIT ?", (old, BATCH)):
            pass
        if _used_bytes(connection) > self._max_bytes:
            while _used_bytes(connection) > ROOM * self._max_bytes and self._delete_oldest(connection):
                pass
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page only
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # makes the file itself shrink

    def _delete_oldest(self, connection: sqlite3.Connection) -> int:
        rows = int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
        return self._delete(connection, "ORDER BY at LIMIT ?", (min(BATCH, rows // 20 + 1),))

    def _delete(self, connection: sqlite3.Connection, which: str, values: tuple[object, ...]) -> int:
        with sqlite.writing(connection, self.path):
            chosen = f"SELECT number FROM events {which}"
            return connection.execute(f"DELETE FROM events WHERE number IN ({chosen})", values).rowcount


@dataclass(frozen=True, slots=True)
class Row:
    """An event in the history."""

    id: str
    at: float
    label: str
    source: str
    model: str
    peak: float
    level_dbfs: float
    start: str | None
    end: str | None
    start_s: float
    end_s: float | None
    detected_s: float
    under_way: int  # 0 or 1, as SQLite has it
    note: str | None
    clip: str | None
    clip_note: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """Which events to return. What is left out excludes nothing; `limit` keeps the latest."""

    labels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since: float | None = None  # Unix times
    until: float | None = None
    min_score: float = 0.0
    limit: int | None = None
    before: tuple[float, int] | None = None  # time and number of an event: only events before it
    after: tuple[float, int] | None = None  # likewise: only events after it

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the condition in SQL, with its values."""
        conditions = ["peak >= ?"]
        wanted: list[object] = [self.min_score]
        for column, names in (("label", self.labels), ("source", self.sources)):
            if names:
                conditions.append(f"{column} IN ({', '.join('?' * len(names))})")
                wanted += names
        for comparison, moment in (("at >= ?", self.since), ("at < ?", self.until)):
            if moment is not None:
                conditions.append(comparison)
                wanted.append(moment)
        for comparison, place in (("<", self.before), (">", self.after)):
            if place is not None:
                conditions.append(f"(at, number) {comparison} (?, ?)")
                wanted += place
        return " AND ".join(conditions), tuple(wanted)


class Reader:
    """The file, for reading, also beside a daemon that writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = sqlite.reading(path, VERSION)

    def rows(self, query: Query) -> Iterator[Row]:
        """Yield events, the oldest first, up to the newest at the beginning of the iteration.

        They are read in chunks, each in a transaction of its own: one that stays open while a slow reader, such as
        `less`, takes its time would keep the writer from emptying the -wal file.
        """
        newest = self._found("SELECT max(number) FROM events", ())[0][0] or 0
        after: tuple[float, int] | None = self._eve(query)
        while after is not None:
            chunk = self._numbered(replace(query, after=after, limit=CHUNK), "at, number")
            yield from (row for number, row in chunk if number <= newest)
            after = (chunk[-1][1].at, chunk[-1][0]) if len(chunk) == CHUNK else None

    def page(self, query: Query) -> list[tuple[int, Row]]:
        """Return events, the latest first, each with its number, from which `before` gets the next page."""
        return self._numbered(query, "at DESC, number DESC")

    def clip(self, event_id: str) -> str | None:
        """Return the path of an event's recording, relative to the folder of this file, if there is one."""
        return next((clip for (clip,) in self._found("SELECT clip FROM events WHERE id = ?", (event_id,))), None)

    def by_hour(self, query: Query, clocks: tzinfo | None = None) -> Iterator[tuple[str, float, int]]:
        """Yield label, Unix time of an hour in the time zone (by default the local one), and number of events."""
        where, values = query.where()
        offset = datetime.now().astimezone(clocks).utcoffset()
        past_s = offset.total_seconds() % HOUR_S if offset else 0.0  # some time zones are off by half hours
        hour = "CAST((at + ?) / ? AS INTEGER)"
        counted = f"SELECT label, {hour}, count(*) FROM events WHERE {where} GROUP BY 1, 2"
        for label, number, count in self._found(counted, (past_s, HOUR_S, *values)):
            yield label, number * HOUR_S - past_s, count

    def counts(self, query: Query, by: str) -> dict[tuple[str, str], int]:
        """Return the number of events for each label and local time, formatted by strftime(3)."""
        where, values = query.where()
        moment = "strftime(?, at, 'unixepoch', 'localtime')"
        counted = f"SELECT label, {moment}, count(*) FROM events WHERE {where} GROUP BY 1, 2 ORDER BY 1, 2"
        return {(label, when): count for label, when, count in self._found(counted, (by, *values))}

    def close(self) -> None:
        """Close it; safe to call twice."""
        self._database.close()

    def _eve(self, query: Query) -> tuple[float, int]:
        """Return a place right before the oldest event to return."""
        if query.limit is None:
            return -math.inf, 0
        where, values = query.where()
        oldest = f"SELECT at, number - 1 FROM events WHERE {where} ORDER BY at DESC, number DESC LIMIT 1 OFFSET ?"
        return next(iter(self._found(oldest, (*values, query.limit - 1))), (-math.inf, 0))

    def _numbered(self, query: Query, order: str) -> list[tuple[int, Row]]:
        """Return events with their numbers. They are found in the index before their rows are read."""
        columns = ", ".join(f'"{field.name}"' for field in fields(Row))
        where, values = query.where()
        limit = -1 if query.limit is None else query.limit
        first = f"SELECT number FROM events WHERE {where} ORDER BY {order} LIMIT ?"
        statement = f"SELECT number, {columns} FROM events WHERE number IN ({first}) ORDER BY {order}"
        return [(number, Row(*row)) for number, *row in self._found(statement, (*values, limit))]

    def _found(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        """Return all rows at once: an open cursor is an open transaction."""
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as err:
            raise sqlite.unusable(self.path, err) from err


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, page_bytes = (
        int(connection.execute(f"PRAGMA {what}").fetchone()[0])
        for what in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page_bytes
