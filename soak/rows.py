"""The table of results: what was promised, what was measured, whether it held."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 160  # of a table that is not printed to a terminal


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. `held` is None if this machine could not test it."""

    what: str
    asked: str
    seen: str
    held: bool | None
    took_s: float = 0.0  # of the whole part, in its first row

    @property
    def verdict(self) -> str:
        return {True: "held", False: "FAILED", None: "skipped"}[self.held]

    def plain(self) -> dict[str, Any]:
        """Return an object for JSON."""
        return {**asdict(self), "took_s": round(self.took_s, 1), "verdict": self.verdict}


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table("what", "asked", "seen", "verdict", "took", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(row.what, row.asked, row.seen, row.verdict, f"{row.took_s:.0f} s" if row.took_s else "")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
