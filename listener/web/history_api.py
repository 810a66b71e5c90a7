"""Answers to the page's questions about the history."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from listener.errors import ConfigError
from listener.storage.history import Query, Reader, Row

ROWS = 50
MARKS = 3000  # more than fit into the picture of a day
LONGEST_S = 32 * 86_400.0  # longer times would take too long to count


class HistoryApi:
    """Reads the history, which is opened for each question because it may appear, move or go at any time.

    All methods raise SinkError or ConfigError if the history cannot be read.

    Args:
        find: Returns the path of the database, or raises ConfigError.
    """

    def __init__(self, find: Callable[[], Path]) -> None:
        self._find = find

    def page(self, query: Query) -> dict[str, Any]:
        """Return one page of events, the latest first, and a cursor for the next page."""
        with self._reader() as reader:
            found = reader.page(replace(query, limit=ROWS + 1))
        rows = [_event(row) for _, row in found[:ROWS]]
        more = len(found) > ROWS
        return {"events": rows, "next": f"{found[ROWS - 1][1].at!r},{found[ROWS - 1][0]}" if more else None}

    def counts(self, query: Query, zone: tzinfo | None = None) -> dict[str, Any]:
        """Count the events of each label that began in each hour of the day, and on each day.

        Args:
            query: Must span at most 32 days.
            zone: The time zone of hours and days; None for that of this machine.
        """
        if query.since is None or query.until is None or query.until - query.since > LONGEST_S:
            raise ConfigError(
                "counts need a time of at most 32 days", code="web-counts-span", remedy="Give since and until."
            )
        hours: dict[str, list[int]] = defaultdict(lambda: [0] * 24)
        days: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        with self._reader() as reader:
            for label, hour_at, count in reader.by_hour(query, zone):
                moment = datetime.fromtimestamp(hour_at, zone)
                hours[label][moment.hour] += count
                days[label][moment.date().isoformat()] += count
        return {"hours": hours, "days": days}

    def marks(self, query: Query) -> dict[str, Any]:
        """Return `[begin, seconds, label, peak]` of the latest events, and whether these are all."""
        with self._reader() as reader:
            rows = [row for _, row in reader.page(replace(query, limit=MARKS + 1))]
        marks = [(row.at, _length_s(row) or 0.0, row.label, row.peak) for row in rows[:MARKS]]
        return {"marks": marks, "all": len(rows) <= MARKS}

    def recording(self, event_id: str) -> Path:
        """Return the audio file of an event."""
        with self._reader() as reader:
            recording = reader.clip(event_id)
        path = reader.path.parent / recording if recording else None
        if path is None or not path.is_file():
            raise ConfigError("this event has no recording", code="web-recording-none")
        return path

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        reader = Reader(self._find())
        try:
            yield reader
        finally:
            reader.close()


def parse_query(parameters: Mapping[str, str], labels: Sequence[str], sources: Sequence[str]) -> Query:
    """Return the query that a request's parameters mean.

    Raises:
        ConfigError: A parameter is malformed.
    """
    try:
        at, _, number = parameters.get("before", "").partition(",")
        return Query(
            labels=tuple(labels),
            sources=tuple(sources),
            since=float(parameters["since"]) if parameters.get("since") else None,
            until=float(parameters["until"]) if parameters.get("until") else None,
            min_score=float(parameters.get("min_score") or 0),
            before=(float(at), _row_number(number)) if at else None,
        )
    except ValueError as err:
        raise ConfigError(f"malformed question ({err})", code="web-query") from err


def time_zone(name: str) -> tzinfo | None:
    """Return the time zone with that name; None for an empty name.

    Raises:
        ConfigError: This machine does not know it.
    """
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:  # it looks for a file with that name
        raise ConfigError(
            f"unknown time zone {name!r}", code="web-time-zone", remedy="Install tzdata on the listener's machine."
        ) from err


def _row_number(text: str) -> int:
    """Parse a row number, which has at most 64 bits in SQLite."""
    number = int(text)
    if number.bit_length() > 63:
        raise ValueError("no event has this number")
    return number


def _event(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "label": row.label,
        "source": row.source,
        "peak": row.peak,
        "level_dbfs": row.level_dbfs,
        "lasted_s": _length_s(row),
        "under_way": bool(row.under_way),
        "note": row.note,
        "has_recording": row.clip is not None,
        "recording_note": row.clip_note,
    }


def _length_s(row: Row) -> float | None:
    return None if row.end_s is None else row.end_s - row.start_s
