"""How much of everything, and where."""

import random
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class SkippedError(Exception):
    """This machine has not what it takes, and that is no fault."""


class SoakError(Exception):
    """What kept a part from being carried through: it counts as failed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of one part."""

    scratch: Path  # a folder of its own, gone afterwards
    scale: float = 1.0  # of every count and length
    seed: int = 1

    def count(self, full: int, least: int = 3) -> int:
        """So many instead of the full count."""
        return max(least, round(full * self.scale))

    def length_s(self, full: float, least: float = 10.0) -> float:
        """So long instead of the full length."""
        return max(least, full * self.scale)

    def moments(self) -> random.Random:
        """What chooses the random moments: the same for the same seed."""
        return random.Random(self.seed)
