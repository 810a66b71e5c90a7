"""How much processor time the daemon uses, together with the processes that it runs, such as capture."""

import os
import resource
import time
from pathlib import Path

TASKS = Path("/proc/self/task")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class CpuShare:
    """The share of one core that this process and its children used since it was last asked."""

    def __init__(self) -> None:
        self._before = (time.monotonic(), used_s())

    def share(self) -> float:
        """Return the share since the last call; 1.0 is one core."""
        now, used = time.monotonic(), used_s()
        before, used_before = self._before
        self._before = (now, used)
        return round(max(used - used_before, 0.0) / max(now - before, 1e-3), 4)


def used_s() -> float:
    """Return the processor time of this process and its children, running and ended, in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(map(_child_s, _children()))


def _children() -> list[int]:
    """Return the process ids of running children; none if the kernel does not list them."""
    found = []
    for task in TASKS.glob("*/children"):
        try:
            found += [int(pid) for pid in task.read_text().split()]
        except OSError:  # the thread has ended
            continue
    return found


def _child_s(pid: int) -> float:
    """Return the time of a child and of its own ended children: fields 14 to 17 of proc(5)'s stat."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended
        return 0.0
    fields = stat.rpartition(")")[2].split()  # from field 3 on; the name before may contain anything
    return sum(map(int, fields[11:15])) / TICKS_PER_S
