"""Tables on standard output."""

import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from rich.console import Console
from rich.table import Table

WIDEST = 1000  # columns in a pipe, where lines are not wrapped


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table, in a pipe as wide as it needs to be."""
    table = Table(*columns, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*row)
    console = _Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDEST)
    console.print(table, soft_wrap=not console.is_terminal)


class _Console(Console):
    """Raises BrokenPipeError when the reader has gone, where rich would exit with status 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError
