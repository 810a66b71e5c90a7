"""`listener history`: what was heard, from the database of the history sink."""

import argparse
import csv
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from listener import config as configuration
from listener.base import paths
from listener.base.schema import nearest
from listener.base.text import duration
from listener.cli import tables
from listener.cli.commands.snooze import seconds
from listener.config import Config
from listener.daemon.signals import Capture
from listener.errors import ConfigError
from listener.pipeline import bundle as bundles
from listener.storage.history import SYSTEM, Query, Reader, Row, default_path

LATEST = 50  # in a table; for scripts it is all
MOST_ROWS = 1_000_000_000  # SQLite takes no number of more than 64 bits
AGO = re.compile(r"-\d")
BUCKETS = {"hour": "%H", "day": "%Y-%m-%d"}
MOST_DAYS = 60
BARS, PLAIN_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*%#"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser._negative_number_matcher = AGO  # so that `--since -3d` is a time, and no flag
    parser.add_argument("--path", type=Path, metavar="FILE", help="the database; default: the configuration's")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="default: ~/.config/listener/config.toml, then /etc"
    )
    which = parser.add_argument_group("which events")
    which.add_argument("--label", action="append", default=[], help="only this one; may be given several times")
    which.add_argument("--group", action="append", default=[], help="only labels of this group, as alarm; likewise")
    which.add_argument("--source", action="append", default=[], help="only what this one heard; likewise")
    which.add_argument("--since", metavar="WHEN", help="2h, 3d, today, yesterday, 2026-05-01 or 2026-05-01T18:30")
    which.add_argument("--until", metavar="WHEN", help="likewise")
    which.add_argument("--min-score", type=float, default=0.0, metavar="S", help="with a peak of at least this")
    which.add_argument("--limit", type=int, metavar="N", help=f"the last N; default: {LATEST} in a table, else all")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="JSON lines")
    how.add_argument("--csv", action="store_true", help="comma-separated, with a header")
    parser.add_argument("--counts", action="store_true", help="how many of each label, by hour of the day, as bars")
    parser.add_argument("--by", choices=BUCKETS, help="with --counts: the hours of the day, or days")


def main(arguments: argparse.Namespace, capture: Capture) -> int:  # noqa: ARG001
    """Print the events that fit, the oldest first."""
    _refuse_idle_flags(arguments)
    needs_config = arguments.path is None or arguments.group
    config = configuration.load(arguments.config or configuration.find()) if needs_config else None
    query = _query(arguments, config)
    reader = Reader(there(candidates(arguments.path, config)))
    try:
        if arguments.counts:
            by = arguments.by or "hour"
            _print_counts(arguments, by, reader.counts(query, BUCKETS[by]))
        else:
            _print_events(arguments, reader.path, reader.rows(query))
    finally:
        reader.close()
    return 0


def moment(text: str, now: float) -> float:
    """The Unix time that a flag means. ConfigError where it means none."""
    words = text.strip().lower().removesuffix("ago").strip().removeprefix("-")
    days = {"today": 0, "yesterday": 1}
    try:
        if words in days:
            return _midnight(datetime.fromtimestamp(now).date() - timedelta(days[words]))
        if words[-1:] in ("s", "m", "h", "d"):
            return now - seconds(words)
        return datetime.fromisoformat(text.strip()).timestamp()  # without a zone, it is local time
    except (ConfigError, ValueError, OverflowError, OSError) as err:
        raise ConfigError(f"{text!r} is no time; write it as 2h, 3d, today, 2026-05-01 or 2026-05-01T18:30") from err


def _refuse_idle_flags(arguments: argparse.Namespace) -> None:
    if arguments.counts and arguments.limit is not None:
        raise ConfigError(f"--limit {arguments.limit}: --counts counts all that fit; leave one of them out")
    if arguments.by and not arguments.counts:
        raise ConfigError(f"--by {arguments.by}: says how --counts counts; give both, or neither")


def _query(arguments: argparse.Namespace, config: Config | None) -> Query:
    now = time.time()
    if arguments.limit is not None and not 1 <= arguments.limit <= MOST_ROWS:
        raise ConfigError(f"--limit {arguments.limit}: give a number of at least 1 and at most {MOST_ROWS}")
    in_table = not (arguments.json or arguments.csv or arguments.counts)
    return Query(
        labels=(*arguments.label, *_labels(arguments.group, config)),
        sources=tuple(arguments.source),
        since=moment(arguments.since, now) if arguments.since else None,
        until=moment(arguments.until, now) if arguments.until else None,
        min_score=arguments.min_score,
        limit=arguments.limit or (LATEST if in_table else None),
    )


def _labels(groups: Sequence[str], config: Config | None) -> Iterator[str]:
    """The labels of groups: the model's, and the configuration's."""
    if not groups or config is None:
        return
    known = configuration.groups(config, bundles.load(bundles.find(config.model.bundle)))
    for group in groups:
        if group not in known:
            raise ConfigError(f"--group: there is no group {group!r}{nearest(group, known)}")
        yield from known[group]


def candidates(path: Path | None, config: Config | None) -> list[Path]:
    """Where the database may be: as the flag says, as the configuration says, or by default, the user's first."""
    if path is not None:
        return [paths.expanded(path)]
    sinks = [part.config.path for part in config.sinks if part.kind == "history"] if config else []
    named = [paths.expanded(sink) for sink in sinks if sink]
    return named or [default_path(), SYSTEM]


def there(candidates: Sequence[Path]) -> Path:
    """The first of them that is there. ConfigError where none is."""
    for path in candidates:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return path  # it may be there: who opens it says what is wrong
        return path
    where = " or ".join(map(str, candidates))
    raise ConfigError(
        f"there is no history at {where}; add a [[sink]] with kind = 'history' to the configuration of the daemon, "
        "or say with --path where it is"
    )


def _print_events(arguments: argparse.Namespace, path: Path, rows: Iterator[Row]) -> None:
    if arguments.json:
        for row in rows:
            print(json.dumps(_plain(row, path)))
    elif arguments.csv:
        _print_csv([field.name for field in fields(Row)], (_plain(row, path).values() for row in rows))
    else:
        first = next(rows, None)
        if first is None:
            print("no event in the history fits")
            return
        lines = (_line(row) for row in chain([first], rows))
        tables.show(("start", "label", "lasted", "peak", "level", "source", ""), lines)


def _plain(row: Row, path: Path) -> dict[str, Any]:
    """A row for scripts: the recording by its whole path."""
    clip = str(path.absolute().parent / row.clip) if row.clip else None
    return asdict(row) | {"under_way": bool(row.under_way), "clip": clip}


def _line(row: Row) -> tuple[str, ...]:
    lasted = "" if row.end_s is None else duration(row.end_s - row.start_s)
    notes = [row.note, "clip" if row.clip else row.clip_note]
    return (
        datetime.fromtimestamp(row.at).strftime("%Y-%m-%d %H:%M:%S"),
        printable(row.label),
        "under way" if row.under_way else lasted,
        f"{row.peak:.2f}",
        f"{row.level_dbfs:.0f} dBFS",
        printable(row.source),
        printable("; ".join(note for note in notes if note)),
    )


def _print_csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(map(_cell, row))


def _cell(value: object) -> object:
    """A value as CSV has it: true and false as JSON does."""
    if isinstance(value, bool):
        return json.dumps(value)
    return printable(value) if isinstance(value, str) else value


def _print_counts(arguments: argparse.Namespace, by: str, counts: dict[tuple[str, str], int]) -> None:
    if arguments.json:
        for (label, when), count in counts.items():
            print(json.dumps({"label": label, by: when, "count": count}))
    elif arguments.csv:
        _print_csv(("label", by, "count"), ((*key, count) for key, count in counts.items()))
    elif not counts:
        print("no event in the history fits")
    else:
        _show_bars(counts, by)


def _show_bars(counts: dict[tuple[str, str], int], by: str) -> None:
    """A line a label, a bar an hour or day; each label's highest is full, for rain is no measure for alarms."""
    buckets = _buckets({when for _, when in counts}, by)
    rows = []
    for label in dict.fromkeys(label for label, _ in counts):
        every = [count for (of, _), count in counts.items() if of == label]
        bars = _bars([counts.get((label, when), 0) for when in buckets], max(every))
        rows.append((printable(label), str(sum(every)), bars, str(max(every))))
    tables.show(("label", "events", _axis(buckets, by), f"most in one {by}"), rows)
    if any(when < buckets[0] for _, when in counts):
        print(f"the bars are of the last {MOST_DAYS} days, the numbers of all; every day: --csv or --json")


def _buckets(found: set[str], by: str) -> list[str]:
    """The hours of a day; or every day from the first to the last, those without events too."""
    if by == "hour":
        return [f"{hour:02d}" for hour in range(24)]
    first, last = date.fromisoformat(min(found)), date.fromisoformat(max(found))
    days = min((last - first).days + 1, MOST_DAYS)
    return [(last - timedelta(back)).isoformat() for back in reversed(range(days))]


def _axis(buckets: Sequence[str], by: str) -> str:
    if by == "hour":
        return "0     6     12    18   "
    return f"{buckets[0]} to {buckets[-1]}"


def _bars(counts: Sequence[int], highest: int) -> str:
    encoding = sys.stdout.encoding or "ascii"
    marks = BARS if _can_say(BARS, encoding) else PLAIN_BARS
    return "".join(marks[-(-count * (len(marks) - 1) // highest)] for count in counts)


def _can_say(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day).timestamp()


def printable(text: str) -> str:
    """The text with what would steer a terminal written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
