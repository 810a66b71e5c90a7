"""`python -m bench`: measure cost and latency; print a table and a line of JSON.

It measures; it does not judge a change: on a machine that is busy with something else the figures are too high.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.plan import FULL, QUICK, SHARED, Plan
from bench.rows import BenchError, Row, show

PARTS = {
    "cost": "CPU time of the whole pipeline beside YAMNet's loop, and of silence",
    "frontend": "log-mel beside librosa's",
    "startup": "process start to listening",
    "live": "CPU and memory of the daemon on a quiet microphone",
    "watch": "what a terminal that looks on costs, and how soon a sound is to be seen in it",
    "latency": "from playback into the microphone to the line on the socket",
    "fidelity": "a scene into the live microphone: the same events as from the file?",
    "load": "every sink at once, a hundred events a second, fifty clients",
    "scenes": "onset to event, and how right it is, over long recordings; speed of classify",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 if a part failed. A missed target is in the table and is no failure."""
    # One thread for both sides of every comparison, as the daemon has it; numpy reads this once, when imported.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    arguments = _parser().parse_args(argv)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        plan = Plan(
            sizes=QUICK if arguments.quick else FULL,
            scratch=Path(scratch),
            shared=arguments.shared,
            bundle=arguments.bundle,
        )
        rows = [row for name in arguments.only or PARTS for row in _measured(name, plan)]
    report = _report(rows, arguments, time.monotonic() - began)
    show(rows)
    print(json.dumps(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(row.status == "failed" for row in rows))


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:<10}{meaning}" for name, meaning in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"parts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: rough figures in about a minute")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), metavar="NAME", help="these parts and no others")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--shared", type=Path, default=SHARED, help="recordings, tools and YAMNet (default: %(default)s)"
    )
    parser.add_argument("--bundle", default="default", metavar="PATH", help="the model, as in [model] bundle")
    return parser


def _measured(name: str, plan: Plan) -> Iterator[Row]:
    """The rows of a part, or one row with the reason if it cannot be measured."""
    print(f"{name}: {PARTS[name]} …", file=sys.stderr, flush=True)
    from listener.errors import ListenerError

    try:
        yield from import_module(f"bench.{name}").rows(plan)
    except BenchError as err:
        yield Row(name, None, note=str(err), status=err.status)
    except (ListenerError, OSError, subprocess.SubprocessError) as err:
        yield Row(name, None, note=f"{type(err).__name__}: {err}", status="failed")


def _report(rows: Sequence[Row], arguments: argparse.Namespace, seconds: float) -> dict[str, Any]:
    return {
        "type": "bench",
        "quick": arguments.quick,
        "bundle": arguments.bundle,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_1min": os.getloadavg()[0],
        "seconds": round(seconds, 1),
        "rows": [row.plain() for row in rows],
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the child processes too
    sys.exit(main())
