"""`python -m soak`: run the parts, print a table, exit with 1 if a promise did not hold."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from listener.errors import ListenerError
from soak.plan import Plan, SkippedError, SoakError
from soak.rows import Row, show

PARTS = {
    "unplug": "the microphone unplugged and plugged 200 times",
    "server": "the sound server killed 50 times, and frozen 50 times",
    "two": "two microphones: one fails all the time",
    "kill": "the daemon killed 200 times",
    "lines": "every line of events once, under reloads, clients and faults",
    "hardship": "full disk, missing permissions, no shared memory, a stepped clock",
    "fuzz": "100,000 malformed inputs of every kind",
    "day": "24 hours of audio with every sink, faster than time",
    "hour": "an hour of a real microphone",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen parts. Returns 1 if a promise did not hold."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy reads it once, when imported
    arguments = _parser().parse_args(argv)
    rows = [row for name in arguments.only or PARTS for row in _rows(name, arguments)]
    show(rows)
    if arguments.json:
        report = {"type": "soak", "scale": arguments.scale, "seed": arguments.seed, "rows": [r.plain() for r in rows]}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(row.held is False for row in rows))


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:<10}{meaning}" for name, meaning in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m soak",
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"parts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), metavar="NAME", help="these parts and no others")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="0.1: a tenth of every count and length")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments and the malformed inputs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    return parser


def _rows(name: str, arguments: argparse.Namespace) -> list[Row]:
    """The rows of a part, or one row with the reason if the part cannot be completed."""
    print(f"{name}: {PARTS[name]} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"soak-{name}-") as scratch:
        try:
            rows = list(import_module(f"soak.{name}").rows(Plan(Path(scratch), arguments.scale, arguments.seed)))
        except SkippedError as err:
            rows = [Row(name, PARTS[name], str(err), None)]
        except (SoakError, ListenerError, OSError, AssertionError, subprocess.SubprocessError) as err:
            rows = [Row(name, PARTS[name], f"{type(err).__name__}: {err}", False)]
    took_s = time.monotonic() - began
    print(f"{name}: took {took_s:.0f} s", file=sys.stderr, flush=True)
    return [replace(rows[0], took_s=took_s), *rows[1:]]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the child processes too
    sys.exit(main())
