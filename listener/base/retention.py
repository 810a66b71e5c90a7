"""Whether anything may be deleted for its age just now: not while the date itself is in doubt."""

import logging
import threading
import time
from collections.abc import Callable

from listener.base.clocks import uptime

log = logging.getLogger(__name__)

DAY_S = 86_400.0
FIRST_S = 3600.0  # after a start: a machine without a battery learns the date from the network, which may be late
STEP_S = UNSURE_S = DAY_S


class Ageing:
    """True while the wall clock has gone as the uptime has, for any thread that asks now and then.

    A dead battery or a bad time server sets the date years ahead, and all that is kept would be too old at once.
    """

    def __init__(self, clock: Callable[[], float] = time.time, uptime: Callable[[], float] = uptime) -> None:
        self._clock, self._uptime = clock, uptime
        self._booted = clock() - uptime()
        self._sure_from = uptime() + FIRST_S
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        with self._lock:
            step_s = self._step_s()
            now = self._uptime()
            if abs(step_s) > STEP_S:
                self._sure_from = now + UNSURE_S
            sure = now >= self._sure_from
        if abs(step_s) > STEP_S:
            log.warning("the clock was set by %+.0f days; nothing is deleted for its age today", step_s / DAY_S)
        return sure

    def _step_s(self) -> float:
        """By how much the clock was set since the last time."""
        before, self._booted = self._booted, self._clock() - self._uptime()
        return self._booted - before
