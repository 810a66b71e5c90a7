"""CPU time of calls, measured in alternation."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def by_turns(acts: Mapping[str, Callable[[], object]], rounds: int, repeat: int = 1) -> dict[str, list[float]]:
    """Return the CPU seconds per call of each function, alternating, so that other load affects all alike.

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
    """Return the CPU seconds of a call, over all threads of this process."""
    began = time.process_time()
    for _ in range(repeat):
        act()
    return (time.process_time() - began) / repeat


def spread(values: list[float], digits: int = 2) -> str:
    """Format the lowest and the highest value."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def times_faster(ours: list[float], theirs: list[float]) -> float:
    """Return the ratio of the medians, theirs over ours."""
    return median(theirs) / median(ours)
