"""Problems that come and go, logged in few lines however often they do."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

RELAPSE_S = 3600.0  # after a relapse within this time, an incident must be over for twice as long to be closed
REMIND_S = 3600.0  # between reminders of an incident that goes on


class IncidentLog:
    """Logs each kind of problem once per incident, for any thread.

    A report of a kind that is logged already goes to the debug level and is counted; every hour one of them is a
    warning again, with the count. So nobody who can cause a problem can fill the log.

    Args:
        name: The beginning of each line: whose problem it is. Empty for none.
        log: Where to log.
    """

    def __init__(self, name: str, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._prefix, self._log, self._clock = f"{name}: " if name else "", log, clock
        self._kinds: dict[str, tuple[float, int]] = {}  # kind -> when it was logged, and reports since
        self._unresolved = False
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether a problem was reported that is not resolved yet."""
        return self._unresolved

    def report(self, message: str, kind: str = "", *, exc_info: BaseException | None = None) -> None:
        """Log a problem.

        Args:
            message: What is wrong.
            kind: Identifies the problem; the message by default.
            exc_info: The exception whose traceback is logged with it.
        """
        kind, now = kind or message, self._clock()
        with self._lock:
            logged_at, count = self._kinds.get(kind, (-REMIND_S, 0))
            is_due = now - logged_at >= REMIND_S
            self._kinds[kind] = (now, 0) if is_due else (logged_at, count + 1)
            self._unresolved |= is_due
        often = f" ({count + 1} times in the last hour)" if is_due and count else ""
        level = logging.WARNING if is_due else logging.DEBUG
        self._log.log(level, "%s%s%s", self._prefix, message, often, exc_info=exc_info)

    def resolve(self, message: str = "works again", *, forget: bool = True) -> None:
        """Log that it works again, if a problem was logged since it last did.

        Args:
            message: What works again.
            forget: Whether the next report begins a new incident. If not, call `forget` when it works steadily.
        """
        with self._lock:
            was, self._unresolved = self._unresolved, False
            if forget:
                self._kinds.clear()
        if was:
            self._log.info("%s%s", self._prefix, message)

    def forget(self) -> None:
        """Begin a new incident with the next report."""
        with self._lock:
            self._kinds.clear()


@dataclass(frozen=True, slots=True)
class Summary:
    """An incident so far: how many interruptions it had, and how long they were in all."""

    over: bool
    times: int
    bad_s: float


class IncidentTracker:
    """Groups interruptions of one kind into incidents, so that they cost at most some fifty log lines a day.

    For one thread at a time.

    Args:
        steady_s: An incident is over after this long without an interruption. The time doubles, up to an hour, if the
            incident before ended less than an hour ago.
    """

    def __init__(self, steady_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_steady_s = self._steady_s = steady_s
        self._bad_since: float | None = None
        self._well_since = 0.0
        self._logged_at: float | None = None  # None: no incident is open
        self._over_at = -RELAPSE_S
        self._times, self._bad_s = 0, 0.0

    def began(self, ago_s: float = 0.0) -> bool:
        """Record that an interruption began `ago_s` ago, and return whether it opens a new incident."""
        if self._bad_since is not None:
            return False
        now = self._clock()
        self._bad_since = now - ago_s
        self._times += 1
        if self._logged_at is not None:
            return False
        relapsed = now - self._over_at < RELAPSE_S
        self._steady_s = min(2 * self._steady_s, RELAPSE_S) if relapsed else self._first_steady_s
        self._logged_at = now
        return True

    def ended(self) -> None:
        """Record the end of an interruption."""
        if self._bad_since is not None:
            self._well_since = self._clock()
            self._bad_s += self._well_since - self._bad_since
            self._bad_since = None

    @property
    def under_way(self) -> bool:
        """Whether an incident is open."""
        return self._logged_at is not None

    def due(self) -> Summary | None:
        """Return the summary to log now: at the end of an incident, and every hour while it is open."""
        now = self._clock()
        if self._logged_at is None:
            return None
        if self._bad_since is None and now - self._well_since >= self._steady_s:
            summary = Summary(True, self._times, self._bad_s)
            self._logged_at, self._over_at = None, now
            self._times, self._bad_s = 0, 0.0
            return summary
        if now - self._logged_at < REMIND_S:
            return None
        self._logged_at = now
        return Summary(False, self._times, self._bad_s + (now - self._bad_since if self._bad_since is not None else 0))
