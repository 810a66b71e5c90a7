"""A clock that cannot be set."""

import time


def uptime() -> float:
    """Return the seconds since this machine was started, sleep included if the system counts it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
