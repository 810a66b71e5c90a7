"""`listener classify`: the sounds in audio files, as events with times or as one score per label."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from listener import messages
from listener.base import text
from listener.cli import options, tables
from listener.cli.batch import FileResult, Job, classify_files, find_files
from listener.cli.reporting import report_error
from listener.errors import ConfigError
from listener.messages import Event

WORTH_A_PROCESS = 8  # files: a process takes a second to start
COLUMNS = ("file", "label", "start_s", "end_s", "peak", "level_dbfs")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(readable=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per event.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, with a header.")
@click.option(
    "--scores", "with_scores", is_flag=True, help="Print the mean score of every label per file, as JSON or CSV."
)
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes. Default: up to one per core.")
@options.config
def command(
    *,
    paths: Sequence[str],
    as_json: bool,
    as_csv: bool,
    with_scores: bool,
    jobs: int | None,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Name the sounds in audio files, and in those of folders and the folders in them.

    Reads every format of libsndfile: WAV, FLAC, Ogg, MP3 and more. The exit status is 1 if a file could not be read;
    the others are classified all the same.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    found = list(find_files(paths))
    files = [file for file in found if isinstance(file, str)]
    failures = [report_error(file) for file in found if not isinstance(file, str)]
    if not found:
        raise ConfigError("there is no audio file in the folder", code="classify-empty", remedy="Name another folder.")
    form = "csv" if as_csv else "json" if as_json or with_scores else "table"
    job = Job(config, tuple(overrides), with_scores)
    processes = jobs or min(len(os.sched_getaffinity(0)), 1 + len(files) // WORTH_A_PROCESS)
    results = classify_files(files, job, processes)
    with _progress(results, len(files)) as shown:
        failures += list(_print(shown, form, with_scores=with_scores, with_summary=len(files) > 1))
    return max(failures, default=0)


def _print(results: Iterable[FileResult], form: str, *, with_scores: bool, with_summary: bool) -> Iterator[int]:
    """Print results, and yield the exit status of each error."""
    if form == "csv" and not with_scores:
        tables.print_csv([COLUMNS])
    summary, header_due = _Summary(), with_scores
    for result in results:
        summary.add(result)
        yield from map(report_error, result.errors)
        if not result.is_readable:
            continue
        if form == "csv":
            if header_due:
                tables.print_csv([["file", *result.scores]])
                header_due = False
            tables.print_csv(_csv_rows(result, with_scores=with_scores))
        elif form == "json":
            sys.stdout.write(_json_lines(result, with_scores=with_scores))
        else:
            _print_table(result)
        sys.stdout.flush()
    if form == "table" and with_summary:
        print(summary)


def _json_lines(result: FileResult, *, with_scores: bool) -> str:
    if with_scores:
        return json.dumps({"file": result.name, "scores": result.scores}) + "\n"
    return "".join(messages.encode(event).decode() for event in result.events)


def _csv_rows(result: FileResult, *, with_scores: bool) -> Iterator[list[object]]:
    if with_scores:
        yield [result.name, *result.scores.values()]
        return
    for event in result.events:
        yield [result.name, event.label, event.start_s, event.end_s, event.peak, event.level_dbfs]


def _print_table(result: FileResult) -> None:
    if result.events:
        tables.show(("start s", "end s", "label", "peak", "level dBFS"), map(_row, result.events), title=result.name)
    else:
        print(f"{result.name}: no events")


def _row(event: Event) -> tuple[str, ...]:
    end = "" if event.end_s is None else f"{event.end_s:.2f}"
    return f"{event.start_s:.2f}", end, event.label, f"{event.peak:.2f}", f"{event.level_dbfs:.0f}"


class _Summary:
    """What several files contain, in words."""

    def __init__(self) -> None:
        self._files, self._audio_s, self._failed = 0, 0.0, 0
        self._events: Counter[str] = Counter()
        self._files_with: Counter[str] = Counter()

    def add(self, result: FileResult) -> None:
        self._files += 1
        self._failed += bool(result.errors)
        self._audio_s += result.audio_s
        self._events.update(event.label for event in result.events)
        self._files_with.update({event.label for event in result.events})

    def __str__(self) -> str:
        failed = f", errors in {self._failed}" if self._failed else ""
        lines = [f"\n{self._files} files, {text.duration(self._audio_s)} of audio{failed}"]
        for label, count in self._events.most_common():
            lines.append(f"  {label:<20}{count:>6} in {self._files_with[label]} of the files")
        return "\n".join(lines)


@contextmanager
def _progress(results: Iterable[FileResult], count: int) -> Iterator[Iterable[FileResult]]:
    """The results, with a progress bar on a terminal while they are taken."""
    if count < 2 or not sys.stderr.isatty():
        yield results
        return
    columns = TextColumn("{task.percentage:3.0f} %"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # Rich prints our lines above the bar, on standard error: right only if both are the terminal.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        yield bar.track(results, total=count)
