"""A clock that nobody sets."""

import time


def uptime() -> float:
    """Seconds since this machine was started, those in which it slept with them where there is such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
