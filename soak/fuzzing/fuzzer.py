"""The loop: an input is made, given, and judged."""

import faulthandler
import os
import random
import time
import traceback
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import listener
from bench import processes
from soak.fuzzing.coverage import Coverage
from soak.fuzzing.mutation import Mutator
from soak.fuzzing.targets import Take, Target

HANG_S = 30.0  # an input may take, on a machine that is busy; then where it hangs is written, and the process ends
MOST_FAULTS = 5
MOST_KEPT = 2000


@dataclass(slots=True)
class Report:
    """What came of it."""

    count: int = 0
    refused: int = 0
    kept: int = 0  # for they reached code that none before had
    slowest_ms: float = 0.0
    grown_mb: float = 0.0  # in the second half
    faults: dict[str, str] = field(default_factory=dict)  # each with an input that shows it

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def fuzz(target: Target, count: int, seed: int, scratch: Path) -> Report:
    """Give a target so many inputs. The one under way lies in `scratch`/input, for what ends the process."""
    choice, report = random.Random(seed), Report()
    mutate = Mutator(choice, target.tokens)
    corpus = list(target.seeds)
    half_mb = 0.0
    with ExitStack() as stack:
        under_way = stack.enter_context((scratch / "input").open("wb", buffering=0))
        coverage = stack.enter_context(Coverage(Path(listener.__file__).parent))
        take = stack.enter_context(target.opened(scratch))
        stack.callback(faulthandler.cancel_dump_traceback_later)
        for number in range(count):
            given = corpus[number] if number < len(target.seeds) else mutate(corpus)
            under_way.truncate(0)
            os.pwrite(under_way.fileno(), given, 0)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            _judge(target, take, given, report)
            if coverage.take_fresh() and len(corpus) < MOST_KEPT:
                corpus.append(given)
                report.kept += 1
            if number == count // 2:
                half_mb = processes.rss_mb(os.getpid())
    report.grown_mb = processes.rss_mb(os.getpid()) - half_mb
    return report


def _judge(target: Target, take: Take, given: bytes, report: Report) -> None:
    began = time.perf_counter()
    try:
        take(given)
    except target.refusals:
        report.refused += 1
    except Exception as err:  # noqa: BLE001 - what it is here to find
        fault = _described(err)
        if len(report.faults) < MOST_FAULTS and fault not in report.faults:
            report.faults[fault] = repr(given)
    report.count += 1
    report.slowest_ms = max(report.slowest_ms, 1000 * (time.perf_counter() - began))


def _described(err: Exception) -> str:
    """What and where, the same for all that are one fault."""
    frames = [frame for frame in traceback.extract_tb(err.__traceback__) if "soak" not in Path(frame.filename).parts]
    where = ", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:])
    return f"{type(err).__name__} at {where}"
