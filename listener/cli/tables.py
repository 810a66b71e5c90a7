"""Tables for a person."""

import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from rich.console import Console
from rich.table import Table

WIDEST = 1000  # of a table in a pipe, where no line is too long


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table as wide as it needs to be, also where standard output is a pipe."""
    table = Table(*columns, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*row)
    console = _Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDEST)
    console.print(table, soft_wrap=not console.is_terminal)


class _Console(Console):
    """One that leaves it to the cli what it means that a reader has had enough; rich exits with 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError
