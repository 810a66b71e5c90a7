"""Time from the start of the process to listening."""

from collections.abc import Iterator
from statistics import median

from bench.listening import Listening
from bench.microphone import virtual_microphone
from bench.plan import Plan
from bench.rows import Row
from bench.timing import spread

MOST_S = 0.6


def rows(plan: Plan) -> Iterator[Row]:
    """Time `listener run` on the virtual microphone until it greets and has its first audio."""
    with virtual_microphone(plan.scratch) as microphone:
        taken = [_once(plan, microphone.variables) for _ in range(plan.sizes.starts)]
    yield Row("process start to listening", median(taken), "s", MOST_S, note=f"median of {len(taken)}: {spread(taken)}")


def _once(plan: Plan, variables: dict[str, str]) -> float:
    with Listening(plan, variables) as listener:
        return listener.started_s()
