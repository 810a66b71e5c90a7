"""Trouble that comes and goes, told in few words however often it does."""

import time
from collections.abc import Callable
from dataclasses import dataclass

RELAPSE_S = 3600.0  # back so soon, it must then be well for twice as long
REMIND_S = 3600.0  # and while it is not over, it is told of so often


@dataclass(frozen=True, slots=True)
class Summary:
    """An episode so far: how often it was bad, and for how long in all."""

    over: bool
    times: int
    bad_s: float


class Episodes:
    """One trouble: `began` says whether it is news, `due` what there is to be said of it meanwhile and at its end.

    It is over once it was well for `steady_s`. So it costs at most some fifty lines a day. For one thread at a time.
    """

    def __init__(self, steady_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_steady_s = self._steady_s = steady_s
        self._bad_since: float | None = None
        self._well_since = 0.0
        self._told_at: float | None = None  # None: no episode under way
        self._over_at = -RELAPSE_S
        self._times, self._bad_s = 0, 0.0

    def began(self, ago_s: float = 0.0) -> bool:
        """It is bad now, and has been for so long already; whether that begins an episode."""
        if self._bad_since is not None:
            return False
        now = self._clock()
        self._bad_since = now - ago_s
        self._times += 1
        if self._told_at is not None:
            return False
        relapsed = now - self._over_at < RELAPSE_S
        self._steady_s = min(2 * self._steady_s, RELAPSE_S) if relapsed else self._first_steady_s
        self._told_at = now
        return True

    def ended(self) -> None:
        """It is well now, for as long as it lasts."""
        if self._bad_since is not None:
            self._well_since = self._clock()
            self._bad_s += self._well_since - self._bad_since
            self._bad_since = None

    @property
    def under_way(self) -> bool:
        """Whether an episode has begun that is not over yet."""
        return self._told_at is not None

    def due(self) -> Summary | None:
        """What is to be told now, if anything: the end of the episode, or that it still goes on."""
        now = self._clock()
        if self._told_at is None:
            return None
        if self._bad_since is None and now - self._well_since >= self._steady_s:
            summary = Summary(True, self._times, self._bad_s)
            self._told_at, self._over_at = None, now
            self._times, self._bad_s = 0, 0.0
            return summary
        if now - self._told_at < REMIND_S:
            return None
        self._told_at = now
        return Summary(False, self._times, self._bad_s + (now - self._bad_since if self._bad_since is not None else 0))
