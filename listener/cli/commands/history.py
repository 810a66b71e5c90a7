"""`listener history`: earlier events, from the database of the history sink."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import click

from listener import config as configuration
from listener.base import paths
from listener.base.label_names import resolve_label
from listener.base.text import duration
from listener.cli import options, tables, times
from listener.config import Config
from listener.errors import ConfigError
from listener.pipeline import bundle as bundles
from listener.storage.history import SYSTEM, Query, Reader, Row, default_path

LATEST = 50  # in a table; for scripts it is all
MOST_ROWS = 1_000_000_000  # SQLite takes no number of more than 64 bits
BUCKETS = {"hour": "%H", "day": "%Y-%m-%d"}
MOST_DAYS = 60
BARS, PLAIN_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*%#"


@click.command()
@click.option("--path", type=options.FILE, metavar="FILE", help="The database. Default: the configuration's.")
@options.config_file
@click.option("--label", "labels", multiple=True, type=options.Name("label"), help="Only this label. May be repeated.")
@click.option(
    "--group", "groups", multiple=True, type=options.Name("group"), help="Only labels of this group. May be repeated."
)
@click.option(
    "--source", "sources", multiple=True, type=options.Name("source"), help="Only this source. May be repeated."
)
@click.option("--since", metavar="WHEN", help="2h, 3d, today, yesterday, 2026-05-01 or 2026-05-01T18:30.")
@click.option("--until", metavar="WHEN", help="The same forms.")
@click.option("--min-score", default=0.0, metavar="S", help="Only events with a peak of at least this.")
@click.option("--limit", type=int, metavar="N", help=f"Only the last N. Default: {LATEST} in a table, otherwise all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, with a header.")
@click.option("--counts", is_flag=True, help="Print the number of events per label, with a bar per hour of the day.")
@click.option("--by", type=click.Choice(list(BUCKETS)), help="With --counts: a bar per hour of the day, or per day.")
def command(
    path: Path | None, config: Path | None, groups: Sequence[str], counts: bool, by: str | None, **flags: Any
) -> int:
    """Show earlier events, the oldest first."""
    _refuse_idle_flags(flags, counts=counts, by=by)
    read = configuration.load(config or configuration.find()) if path is None or groups else None
    form = "json" if flags["as_json"] else "csv" if flags["as_csv"] else "table"
    query, grouped = _query(flags, counts=counts), list(_labels(groups, read))
    reader = Reader(there(candidates(path, read)))
    try:
        query = replace(query, labels=(*_recorded_labels(flags["labels"], reader), *grouped))
        if counts:
            _print_counts(form, by or "hour", reader.counts(query, BUCKETS[by or "hour"]))
        else:
            _print_events(form, reader.path, reader.rows(query))
    finally:
        reader.close()
    return 0


def _refuse_idle_flags(flags: Mapping[str, Any], *, counts: bool, by: str | None) -> None:
    """Refuse options that would have no effect."""
    limit = flags["limit"]
    if flags["as_json"] and flags["as_csv"]:
        raise ConfigError("--json and --csv exclude each other", code="history-options", remedy="Give one of them.")
    if counts and limit is not None:
        raise ConfigError(
            f"--limit {limit} has no effect with --counts", code="history-options", remedy="Leave one of them out."
        )
    if by and not counts:
        raise ConfigError(
            f"--by {by} has no effect without --counts", code="history-options", remedy="Give both, or neither."
        )
    if limit is not None and not 1 <= limit <= MOST_ROWS:
        raise ConfigError(
            f"--limit {limit} is out of range", code="history-limit", remedy=f"Give a number from 1 to {MOST_ROWS}."
        )


def _query(flags: Mapping[str, Any], *, counts: bool) -> Query:
    now = time.time()
    in_table = not (flags["as_json"] or flags["as_csv"] or counts)
    return Query(
        sources=flags["sources"],
        since=times.unix_time(flags["since"], now) if flags["since"] else None,
        until=times.unix_time(flags["until"], now) if flags["until"] else None,
        min_score=flags["min_score"],
        limit=flags["limit"] or (LATEST if in_table else None),
    )


def _recorded_labels(names: Sequence[str], reader: Reader) -> Iterator[str]:
    """The labels in the history that names mean; a name that means none is taken as it is, and finds nothing."""
    recorded = sorted({label for label, _ in reader.counts(Query(), "%Y")}) if names else []
    for name in names:
        try:
            yield resolve_label(name, recorded)
        except ConfigError:
            yield name


def _labels(groups: Sequence[str], config: Config | None) -> Iterator[str]:
    """The labels of groups: the model's, and the configuration's."""
    if not groups or config is None:
        return
    known = configuration.groups(config, bundles.load(bundles.find(config.model.bundle)))
    for group in groups:
        yield from known[resolve_label(group, list(known))]


def candidates(path: Path | None, config: Config | None) -> list[Path]:
    """Where the database may be: as the option or the configuration says, or the defaults of user and system."""
    if path is not None:
        return [paths.expanded(path)]
    sinks = [part.config.path for part in config.sinks if part.kind == "history"] if config else []
    named = [paths.expanded(sink) for sink in sinks if sink]
    return named or [default_path(), SYSTEM]


def there(candidates: Sequence[Path]) -> Path:
    """The first of them that exists.

    Raises:
        ConfigError: None does.
    """
    for path in candidates:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return path  # it may exist: opening it will say what is wrong
        return path
    where = " or ".join(map(str, candidates))
    raise ConfigError(
        f"there is no history at {where}",
        code="history-missing",
        remedy="Add a [[sink]] with kind = 'history' to the configuration of the daemon, or name the file with --path.",
    )


def _print_events(form: str, path: Path, rows: Iterator[Row]) -> None:
    if form == "json":
        for row in rows:
            print(json.dumps(_plain(row, path)))
    elif form == "csv":
        tables.print_csv(chain([[field.name for field in fields(Row)]], (_plain(row, path).values() for row in rows)))
    else:
        first = next(rows, None)
        if first is None:
            print("no matching events")
            return
        lines = (_line(row) for row in chain([first], rows))
        tables.show(("start", "label", "lasted", "peak", "level", "source", ""), lines)


def _plain(row: Row, path: Path) -> dict[str, Any]:
    """A row for scripts, with the whole path of the recording."""
    clip = str(path.absolute().parent / row.clip) if row.clip else None
    return asdict(row) | {"under_way": bool(row.under_way), "clip": clip}


def _line(row: Row) -> tuple[str, ...]:
    lasted = "" if row.end_s is None else duration(row.end_s - row.start_s)
    notes = [row.note, "clip" if row.clip else row.clip_note]
    return (
        times.local(row.at),
        row.label,
        "under way" if row.under_way else lasted,
        f"{row.peak:.2f}",
        f"{row.level_dbfs:.0f} dBFS",
        row.source,
        "; ".join(note for note in notes if note),
    )


def _print_counts(form: str, by: str, counts: dict[tuple[str, str], int]) -> None:
    if form == "json":
        for (label, when), count in counts.items():
            print(json.dumps({"label": label, by: when, "count": count}))
    elif form == "csv":
        tables.print_csv([("label", by, "count"), *((*key, count) for key, count in counts.items())])
    elif not counts:
        print("no matching events")
    else:
        _show_bars(counts, by)


def _show_bars(counts: dict[tuple[str, str], int], by: str) -> None:
    """Print a line per label with a bar per hour or day. Each label has its own scale."""
    buckets = _buckets({when for _, when in counts}, by)
    rows = []
    for label in dict.fromkeys(label for label, _ in counts):
        every = [count for (of, _), count in counts.items() if of == label]
        bars = _bars([counts.get((label, when), 0) for when in buckets], max(every))
        rows.append((label, str(sum(every)), bars, str(max(every))))
    tables.show(("label", "events", _axis(buckets, by), f"most in one {by}"), rows)
    if any(when < buckets[0] for _, when in counts):
        print(f"the bars show the last {MOST_DAYS} days, the numbers all; for every day use --csv or --json")


def _buckets(found: set[str], by: str) -> list[str]:
    """The hours of a day, or every day from the first event to the last."""
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
    marks = BARS if _can_encode(BARS, encoding) else PLAIN_BARS
    return "".join(marks[-(-count * (len(marks) - 1) // highest)] for count in counts)


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
