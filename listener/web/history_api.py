"""What was heard earlier, as the page asks for it: a page of events, counts, a day, a recording."""

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
MARKS = 3000  # more than a day's picture has room for
LONGEST_S = 32 * 86_400.0  # counts are of no longer a time, so that each is there at once

Names = Sequence[str]


class HistoryApi:
    """The history's file, wherever it is by now: it is opened for each question. SinkError, ConfigError as `Reader`."""

    def __init__(self, find: Callable[[], Path]) -> None:
        self._find = find

    def page(self, query: Query) -> dict[str, Any]:
        """Some events, the latest first, and where the next page begins."""
        with self._reader() as reader:
            found = reader.page(replace(query, limit=ROWS + 1))
        rows = [_plain(row) for _, row in found[:ROWS]]
        more = len(found) > ROWS
        return {"events": rows, "next": f"{found[ROWS - 1][1].at!r},{found[ROWS - 1][0]}" if more else None}

    def counts(self, query: Query, clocks: tzinfo | None = None) -> dict[str, Any]:
        """How many events of each label began in each hour of the day, and on each day; by this machine's clocks
        where no others are given.
        """
        if query.since is None or query.until is None or query.until - query.since > LONGEST_S:
            raise ConfigError("counts: give since and until, no more than 32 days from each other")
        hours: dict[str, list[int]] = defaultdict(lambda: [0] * 24)
        days: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        with self._reader() as reader:
            for label, hour_at, count in reader.by_hour(query, clocks):
                moment = datetime.fromtimestamp(hour_at, clocks)
                hours[label][moment.hour] += count
                days[label][moment.date().isoformat()] += count
        return {"hours": hours, "days": days}

    def marks(self, query: Query) -> dict[str, Any]:
        """When, how long, what and how surely, the latest first, as far as a picture has room; and whether it has."""
        with self._reader() as reader:
            rows = [row for _, row in reader.page(replace(query, limit=MARKS + 1))]
        marks = [(row.at, _lasted(row) or 0.0, row.label, row.peak) for row in rows[:MARKS]]
        return {"marks": marks, "all": len(rows) <= MARKS}

    def recording(self, event_id: str) -> Path:
        """The file with the audio of an event. ConfigError where there is none."""
        with self._reader() as reader:
            clip = reader.clip(event_id)
        path = reader.path.parent / clip if clip else None
        if path is None or not path.is_file():
            raise ConfigError("there is no recording of this event any more")
        return path

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        reader = Reader(self._find())
        try:
            yield reader
        finally:
            reader.close()


def question(asked: Mapping[str, str], labels: Names, sources: Names) -> Query:
    """The query that a request's parameters mean. ConfigError where they mean none."""
    try:
        at, _, number = asked.get("before", "").partition(",")
        return Query(
            labels=tuple(labels),
            sources=tuple(sources),
            since=float(asked["since"]) if asked.get("since") else None,
            until=float(asked["until"]) if asked.get("until") else None,
            min_score=float(asked.get("min_score") or 0),
            before=(float(at), _row_number(number)) if at else None,
        )
    except ValueError as err:
        raise ConfigError(f"the question is not understood ({err})") from err


def zone(name: str) -> tzinfo | None:
    """The time zone of that name; None without a name. ConfigError where this machine knows none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:  # it looks for a file of that name
        raise ConfigError(f"this machine knows no time zone {name!r}; install its tzdata") from err


def _row_number(text: str) -> int:
    """ValueError where no row has it: SQLite's are of 64 bits, and it takes no longer ones to compare with."""
    number = int(text)
    if number.bit_length() > 63:
        raise ValueError("no event has such a number")
    return number


def _plain(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "label": row.label,
        "source": row.source,
        "peak": row.peak,
        "level_dbfs": row.level_dbfs,
        "lasted_s": _lasted(row),
        "under_way": bool(row.under_way),
        "note": row.note,
        "has_clip": row.clip is not None,
        "clip_note": row.clip_note,
    }


def _lasted(row: Row) -> float | None:
    return None if row.end_s is None else row.end_s - row.start_s
