"""The table of results and targets."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = ("what", "measured", "floor", "ratio", "verdict", "note")
WIDTH = 150  # of a table that is not printed to a terminal


class BenchError(Exception):
    """A measurement failed."""

    status = "failed"


class SkippedError(BenchError):
    """This machine lacks something that the measurement needs."""

    status = "skipped"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `floor` is the target, or None if there is none."""

    what: str
    measured: float | None
    unit: str = ""
    floor: float | None = None
    at_least: bool = False  # else the target is a maximum
    note: str = ""
    status: str = ""  # "skipped" or "failed" if nothing was measured

    @property
    def ratio(self) -> float | None:
        """The measurement relative to its target; up to 1 meets it."""
        if self.measured is None or self.floor is None:
            return None
        over, under = (self.floor, self.measured) if self.at_least else (self.measured, self.floor)
        return over / under if under else float("inf")

    @property
    def verdict(self) -> str:
        """Return one word, or "" if there is no target."""
        if self.ratio is None:
            return self.status
        return "ok" if self.ratio <= 1 else "MISSED"

    def plain(self) -> dict[str, Any]:
        """Return an object for JSON."""
        ratio = None if self.ratio is None else round(self.ratio, 3)
        measured = None if self.measured is None else round(self.measured, 4)
        return {**asdict(self), "measured": measured, "ratio": ratio, "verdict": self.verdict}


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(*COLUMNS, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*_cells(row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    console.print("ratio: the share used of what is allowed; 1 or less is as asked for.")


def _cells(row: Row) -> tuple[str, ...]:
    bound = ">=" if row.at_least else "<="
    measured = "" if row.measured is None else f"{row.measured:.3g} {row.unit}".rstrip()
    floor = "" if row.floor is None else f"{bound} {row.floor:g} {row.unit}".rstrip()
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return row.what, measured, floor, ratio, row.verdict, row.note
