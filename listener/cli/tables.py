"""Tables and comma-separated values on standard output."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from listener.base.text import plain

FORMULA = ("=", "+", "-", "@")  # begin a formula in a spreadsheet
WIDEST = 1000  # columns in a pipe, where lines are not wrapped


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table, in a pipe as wide as it needs to be."""
    table = Table(*columns, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*map(plain, row))
    console = _Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDEST)
    console.print(table, soft_wrap=not console.is_terminal)


def print_csv(rows: Iterable[Iterable[object]]) -> None:
    """Print rows of comma-separated values."""
    csv.writer(sys.stdout, lineterminator="\n").writerows(map(_csv_cell, row) for row in rows)


def _csv_cell(value: object) -> object:
    """A value for CSV: booleans as in JSON, and text that a spreadsheet would take for a formula quoted."""
    if isinstance(value, bool):
        return json.dumps(value)
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text[:1] in FORMULA else text


class _Console(Console):
    """Raises BrokenPipeError when the reader has gone, where rich would exit with status 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError
