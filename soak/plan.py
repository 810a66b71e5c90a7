"""The scale and the folder of a run."""

import random
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class SkippedError(Exception):
    """This machine lacks something that the part needs."""


class SoakError(Exception):
    """A part could not be completed; it counts as failed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of one part."""

    scratch: Path  # deleted afterwards
    scale: float = 1.0  # of every count and length
    seed: int = 1

    def count(self, full: int, least: int = 3) -> int:
        """Return a scaled count."""
        return max(least, round(full * self.scale))

    def length_s(self, full: float, least: float = 10.0) -> float:
        """Return a scaled length in seconds."""
        return max(least, full * self.scale)

    def moments(self) -> random.Random:
        """Return the source of random moments."""
        return random.Random(self.seed)
