"""Figures of running processes from /proc, and the environment for ours."""

import os
from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")
NOT_OURS = ("OPENBLAS_NUM_THREADS", "NOTIFY_SOCKET", "JOURNAL_STREAM", "RUNTIME_DIRECTORY", "STATE_DIRECTORY")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, of a process; resolution 10 ms."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def rss_mb(pid: int) -> float:
    """Return the resident memory in MB, shared pages included."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def pss_mb(pid: int) -> float | None:
    """Return the proportional memory in MB, or None if the kernel does not report it."""
    try:
        return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024
    except OSError:
        return None


def command(pid: int) -> list[str]:
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def children(pid: int) -> list[int]:
    """Return the running children of a process."""
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [other for other in running if _parent(other) == pid]


def environment(**changes: str) -> dict[str, str]:
    """Return our environment without the variables that change listener, plus changes."""
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS} | changes


def _parent(pid: int) -> int | None:
    try:
        return int(_stat(pid)[1])
    except OSError:  # it has ended
        return None


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; the second is a name with arbitrary characters."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _kilobytes(path: Path, key: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
