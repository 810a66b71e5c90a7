"""Waiting for something to come about, rather than for time to pass."""

import time
from collections.abc import Callable

DEADLINE_S = 15.0


def eventually(condition: Callable[[], object], what: str = "it is so", within_s: float = DEADLINE_S) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {within_s} s: {what}"
        time.sleep(0.01)
