"""Malformed inputs of every kind; each kind in a process of its own, which may crash or hang."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import processes
from soak.fuzzing.targets import TARGETS
from soak.plan import Plan
from soak.rows import Row

INPUTS = 100_000
MOST_GROWTH_MB = 10.0  # in the second half


def rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each kind of input."""
    for name in TARGETS:
        folder = plan.scratch / name
        folder.mkdir()
        yield _row(name, plan.count(INPUTS), plan.seed, folder)


def _row(name: str, count: int, seed: int, folder: Path) -> Row:
    command = [sys.executable, "-W", "ignore", "-m", "soak.fuzzing", name, str(count), str(seed), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=processes.environment(HOME=str(folder)), check=False
    )
    asked = "our errors only, no hang, no growth"
    if done.returncode:
        given = (folder / "input").read_bytes()
        why = done.stderr.strip().splitlines()[-3:]
        return Row(f"fuzz: {name}", asked, f"ended with status {done.returncode} at {given[:200]!r}: {why}", False)
    tally = json.loads(done.stdout)
    seen = (
        f"{tally['count']} inputs, {tally['refused']} refused, slowest {tally['slowest_ms']:.0f} ms, "
        f"{tally['grown_mb']:+.1f} MB"
    )
    return Row(f"fuzz: {name}", asked, seen, tally["grown_mb"] < MOST_GROWTH_MB)
