"""Mutation test of the core: change one thing at a time and see whether a test fails: `python -m scripts.mutate`.

    python -m scripts.mutate [FILE...] [--most 40] [--seed 1] [--boundaries]

Each file is tried with its own tests only. Prints the mutants that survive; exit status 1 if too many do. Works on a
copy, so the checkout may be edited meanwhile.
"""

import argparse
import ast
import copy
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis  # noqa: F401 - imported once for all mutants, like the next ones
import numpy as np  # noqa: F401
import onnxruntime  # noqa: F401
import pytest
import soundfile  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
LEAST_KILLED = 0.92
PATIENCE_S = 120  # after which a mutant hangs, which counts as killed
# File below listener/ -> its tests below tests/.
CORE = {
    "pipeline/framer.py": ["pipeline/test_framer.py"],
    "pipeline/gates.py": ["pipeline/test_gates.py"],
    "pipeline/clipper.py": ["pipeline/test_clipper.py"],
    "pipeline/event_machine.py": ["pipeline/test_tracker.py", "pipeline/test_event_machine.py"],
    "pipeline/tracker.py": ["pipeline/test_tracker.py", "pipeline/test_event_machine.py"],
    "pipeline/loudness.py": ["pipeline/test_loudness.py", "pipeline/test_event_machine.py"],
    "routing/controls.py": ["routing/test_controls.py", "routing/test_steering.py"],
    "routing/filters.py": ["routing/test_filters.py"],
    "storage/spool.py": ["storage/test_spool.py"],
    "daemon/health.py": ["daemon/test_health.py"],
}
OPPOSITES: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
BOUNDARIES: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A changed module."""

    line: int
    change: str
    source: str


def mutants(source: str, *, boundaries: bool = False) -> Iterator[Mutant]:
    """Yield every mutant of a module's source."""
    tree = ast.parse(source)
    for index, node in enumerate(ast.walk(tree)):
        for change, mutate in _changes(node, boundaries=boundaries):
            mutated = copy.deepcopy(tree)
            target = next(found for number, found in enumerate(ast.walk(mutated)) if number == index)
            mutate(target)
            text = ast.unparse(ast.fix_missing_locations(mutated))
            yield Mutant(getattr(node, "lineno", 0), f"{ast.unparse(node)[:70]}: {change}", text)


def _changes(node: ast.AST, *, boundaries: bool) -> Iterator[tuple[str, "_Change"]]:
    table = BOUNDARIES if boundaries else OPPOSITES
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            if new := table.get(type(operator)):
                yield new.__name__, _Change("ops", number, new())
    if boundaries:
        return
    if isinstance(node, ast.BoolOp | ast.BinOp) and (new := table.get(type(node.op))):
        yield new.__name__, _Change("op", None, new())
    if isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(node.test, ast.Compare):
        yield "negated", _Change("test", None, ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Return) and node.value is not None:
        yield "None", _Change("value", None, ast.Constant(None))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "removed", _Change("value", None, ast.Constant(None))


@dataclass(frozen=True)
class _Change:
    """Sets one field of a node."""

    field: str
    index: int | None
    value: ast.AST

    def __call__(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(node, self.field, self.value)
        else:
            getattr(node, self.field)[self.index] = self.value


def main(argv: Sequence[str] | None = None) -> int:
    """Try the files. Returns 1 if fewer mutants are killed than there should be."""
    ap = argparse.ArgumentParser(prog="python -m scripts.mutate", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("files", nargs="*", default=list(CORE), help=f"of {', '.join(CORE)}")
    ap.add_argument("--most", type=int, default=40, help="mutants of a file, drawn at random (default: %(default)s)")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--boundaries", action="store_true", help="only < against <=, many of which change nothing")
    options = ap.parse_args(argv)
    tried = killed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        _copy(Path(folder) / "repository")
        os.chdir(Path(folder) / "repository")
        for name in options.files:
            alive, count = _try_file(name, options)
            tried, killed = tried + count, killed + count - alive
            print(f"{name}: {count - alive} of {count} killed", flush=True)
    print(f"all: {killed} of {tried} killed, {killed / max(1, tried):.1%}")
    return int(killed < LEAST_KILLED * tried)


def _copy(out: Path) -> None:
    out.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    tar = subprocess.Popen(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with tar, subprocess.Popen(["tar", "-x"], cwd=out, stdin=tar.stdout) as _:
        assert tar.stdin
        tar.stdin.write(names)
        tar.stdin.close()


def _try_file(name: str, options: argparse.Namespace) -> tuple[int, int]:
    """Print the survivors of a file. Returns how many survive, of how many."""
    path = Path("listener") / name
    source = path.read_text()
    tests = [str(Path("tests") / test) for test in CORE[name] if (Path("tests") / test).is_file()]
    found = list(mutants(source, boundaries=options.boundaries))
    chosen = random.Random(options.seed).sample(found, min(options.most, len(found)))
    if _fails(tests):
        raise SystemExit(f"{name}: its tests fail without a mutation")
    alive = 0
    for mutant in sorted(chosen, key=lambda mutant: mutant.line):
        path.write_text(mutant.source)
        if not _fails(tests):
            alive += 1
            print(f"  {name}:{mutant.line}  {mutant.change}", flush=True)
    path.write_text(source)
    return alive, len(chosen)


def _fails(tests: Sequence[str]) -> bool:
    """Whether a test fails or hangs, in a fork of this process, which has imported the heavy libraries already."""
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        sys.path.insert(0, str(Path.cwd()))
        os.environ["PYTHONPATH"] = str(Path.cwd())  # for what the tests start
        os._exit(pytest.main(["-n0", "-x", "-q", "-p", "no:cacheprovider", *tests]))
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status != 0
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


if __name__ == "__main__":
    sys.exit(main())
