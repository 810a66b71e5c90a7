"""Costs of calls, fairly compared."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def by_turns(acts: Mapping[str, Callable[[], object]], rounds: int, repeat: int = 1) -> dict[str, list[float]]:
    """CPU seconds of a call of each act, once a round: what else this machine does then meets all of them alike.

    A call is repeated within a round where it is short. Each act is called once before, to be warm.
    """
    for act in acts.values():
        act()
    costs: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            costs[name].append(cpu_s(act, repeat))
    return costs


def cpu_s(act: Callable[[], object], repeat: int = 1) -> float:
    """CPU seconds of a call, all threads of this process counted."""
    began = time.process_time()
    for _ in range(repeat):
        act()
    return (time.process_time() - began) / repeat


def spread(values: list[float], digits: int = 2) -> str:
    """Lowest and highest, for a note."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def times_faster(ours: list[float], theirs: list[float]) -> float:
    """Theirs over ours, of the medians."""
    return median(theirs) / median(ours)
