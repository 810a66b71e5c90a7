"""What a process holds: memory, threads, descriptors; and whether that grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import processes
from soak.rows import Row

MOST_GROWTH_MB = 5.0  # fitted, over a whole part: what allocators and caches do is less
WARM_UP = 0.2  # of the samples: caches fill, each branch of the code is gone through once


@dataclass(frozen=True, slots=True)
class Vitals:
    """Of the daemon and all its children together."""

    at: float  # where in the part, in whatever it counts
    memory_mb: float
    threads: int
    descriptors: int
    children: int


def taken(pid: int, at: float) -> Vitals:
    """The vitals of a process and its children now."""
    family = [vitals for member in [pid, *processes.children(pid)] if (vitals := alone(member, at)) is not None]
    return Vitals(
        at,
        sum(each.memory_mb for each in family),
        sum(each.threads for each in family),
        sum(each.descriptors for each in family),
        len(family) - 1,
    )


def alone(pid: int, at: float) -> Vitals | None:
    """The vitals of one process; None where it has just ended."""
    try:
        return Vitals(at, processes.rss_mb(pid), _entries(pid, "task"), _entries(pid, "fd"), 0)
    except (OSError, StopIteration):  # gone, or not reaped yet
        return None


def slope(samples: Sequence[Vitals], warm_up: float = WARM_UP) -> float:
    """MB of memory more for one more of what `at` counts, fitted to all but the warm-up."""
    steady = samples[round(warm_up * len(samples)) :]
    if len(steady) < 2:
        return 0.0
    return float(np.polyfit([each.at for each in steady], [each.memory_mb for each in steady], 1)[0])


def growth_row(name: str, samples: Sequence[Vitals]) -> Row:
    """Whether memory, threads and descriptors were the same at the end as when it was warm."""
    steady = samples[round(WARM_UP * len(samples)) :]
    grown_mb = slope(samples) * (steady[-1].at - steady[0].at)
    half = len(steady) // 2
    threads, descriptors, children = (
        (_most(steady[:half], key), _most(steady[half:], key)) for key in ("threads", "descriptors", "children")
    )
    held = grown_mb < MOST_GROWTH_MB and all(late <= early for early, late in (threads, descriptors, children))
    seen = (
        f"{grown_mb:+.1f} MB on {steady[0].memory_mb:.0f}, threads {threads[0]} then {threads[1]}, "
        f"descriptors {descriptors[0]} then {descriptors[1]}, children {children[0]} then {children[1]}"
    )
    return Row(f"{name}: no growth", f"< {MOST_GROWTH_MB:g} MB, no more threads, descriptors or children", seen, held)


def _most(samples: Sequence[Vitals], key: str) -> int:
    return max((int(getattr(each, key)) for each in samples), default=0)


def _entries(pid: int, kind: str) -> int:
    return len(list(Path(f"/proc/{pid}/{kind}").iterdir()))
