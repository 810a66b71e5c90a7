"""`listener classify --json` as a person runs it, with what it took."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import processes
from bench.plan import Plan
from bench.rows import BenchError

PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Event lines, and the time of the whole process, its start included."""

    events: list[dict[str, Any]]
    wall_s: float
    cpu_s: float


def classified(plan: Plan, paths: Sequence[Path]) -> Answer:
    """The events of files. BenchError where it fails or hangs."""
    argv = [sys.executable, "-m", "listener", "classify", "--json", *plan.flags, *map(str, paths)]
    began, used_s = time.monotonic(), _children_s()
    done = run(argv)
    wall_s, cpu_s = time.monotonic() - began, _children_s() - used_s
    return Answer([json.loads(line) for line in done.splitlines()], wall_s, cpu_s)


def run(argv: Sequence[str]) -> str:
    """What a command writes. BenchError with the last line of its complaint where it fails or hangs."""
    try:
        done = subprocess.run(
            argv, env=processes.environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except subprocess.CalledProcessError as err:
        said = err.stderr.strip().splitlines() or [f"status {err.returncode}"]
        raise BenchError(f"{' '.join(argv[1:4])}: {said[-1]}") from err
    except subprocess.TimeoutExpired as err:
        raise BenchError(f"{' '.join(argv[1:4])}: not done in {PATIENCE_S:.0f} s") from err
    return done.stdout


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
