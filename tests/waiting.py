"""Waiting for something to come about, rather than for time to pass."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Return when it is so; fail where that takes too long."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
