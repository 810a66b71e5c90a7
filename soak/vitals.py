"""Memory, threads and descriptors of a process, and whether they grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import processes
from soak.rows import Row

MOST_GROWTH_MB = 5.0  # fitted over a part; allocators and caches cause less
WARM_UP = 0.2  # share of the samples in which caches fill


@dataclass(frozen=True, slots=True)
class Vitals:
    """One sample, of the daemon and all its children together."""

    at: float  # position in the part, in its own unit
    memory_mb: float
    threads: int
    descriptors: int
    children: int


def taken(pid: int, at: float) -> Vitals:
    """Sample a process and its children."""
    family = [vitals for member in [pid, *processes.children(pid)] if (vitals := alone(member, at)) is not None]
    return Vitals(
        at,
        sum(each.memory_mb for each in family),
        sum(each.threads for each in family),
        sum(each.descriptors for each in family),
        len(family) - 1,
    )


def alone(pid: int, at: float) -> Vitals | None:
    """Sample one process. None if it has just ended."""
    try:
        return Vitals(at, processes.rss_mb(pid), _entries(pid, "task"), _entries(pid, "fd"), 0)
    except (OSError, StopIteration):  # it has ended
        return None


def slope(samples: Sequence[Vitals], warm_up: float = WARM_UP) -> float:
    """Fit the growth in MB per unit of `at`, without the warm-up."""
    steady = samples[round(warm_up * len(samples)) :]
    if len(steady) < 2:
        return 0.0
    return float(np.polyfit([each.at for each in steady], [each.memory_mb for each in steady], 1)[0])


def growth_row(name: str, samples: Sequence[Vitals]) -> Row:
    """Yield rows on the growth of memory, threads and descriptors."""
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
