"""`listener classify --json` as a person runs it, with its cost."""

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
    """The event lines, and the time of the whole process, start-up included."""

    events: list[dict[str, Any]]
    wall_s: float
    cpu_s: float


def classified(plan: Plan, paths: Sequence[Path]) -> Answer:
    """Classify files. Raises BenchError if that fails or hangs."""
    argv = [sys.executable, "-m", "listener", "classify", "--json", *plan.flags, *map(str, paths)]
    began, used_s = time.monotonic(), _children_s()
    done = run(argv)
    wall_s, cpu_s = time.monotonic() - began, _children_s() - used_s
    return Answer([json.loads(line) for line in done.splitlines()], wall_s, cpu_s)


def run(argv: Sequence[str]) -> str:
    """Return a command's output. Raises BenchError with the last line of stderr if it fails or hangs."""
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
