"""What Linux says of running processes, and the environment that ours are started in."""

import os
from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")
NOT_OURS = ("OPENBLAS_NUM_THREADS", "NOTIFY_SOCKET", "JOURNAL_STREAM", "RUNTIME_DIRECTORY", "STATE_DIRECTORY")


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that a process has used so far; to 10 ms."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def rss_mb(pid: int) -> float:
    """Resident memory, with pages that other processes share."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def pss_mb(pid: int) -> float | None:
    """Resident memory, shared pages divided by their users; None where the kernel does not say."""
    try:
        return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024
    except OSError:
        return None


def command(pid: int) -> list[str]:
    """What it was started as."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [other for other in running if _parent(other) == pid]


def environment(**changes: str) -> dict[str, str]:
    """Ours without what would change how listener behaves, and with changes."""
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS} | changes


def _parent(pid: int) -> int | None:
    try:
        return int(_stat(pid)[1])
    except OSError:  # it has ended meanwhile
        return None


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: the second is a name that may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _kilobytes(path: Path, key: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
