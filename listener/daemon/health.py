"""The state of a source, and the log lines about it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from listener.base.incidents import IncidentTracker
from listener.daemon.rate_monitor import WRONG_RATE, RateMonitor
from listener.daemon.signal_faults import CANCELLING, OVERLOAD, SILENCE, SignalFault, SignalMonitor
from listener.messages import SourceState
from listener.pipeline.values import Block

log = logging.getLogger(__name__)

DEAF_STEADY_S = 10.0  # a microphone that has listened for this long has recovered
JUST_NOW_S = 2.0  # the losses of an interruption are counted within a tick after it
FAULT_STEADY_S = 30.0  # longer than it takes to notice the fault again

LOSING_S = 60.0  # losses within this time are one line in the log,
LOSING_TIMES = 3  # and trouble if they fall into this many different seconds
LOSING = (
    "audio is lost again and again: this machine or its sound card does not keep up."
    " Reduce its load, or give it fewer sources or a smaller model"
)

Line = tuple[int, str]  # level, text


class SourceHealth:
    """The state that a source reports, and the faults of its signal.

    Written by the source's thread, read by any. The log gets a line when something goes wrong, and one when it is over.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._listening_since = 0.0
        self.state, self.detail = SourceState.WAITING, "starting"
        self._fault: SignalFault | None = None
        self._hearing, self._rate = SignalMonitor(), RateMonitor()
        self._deaf = IncidentTracker(DEAF_STEADY_S, clock)
        self._incidents = {
            name: IncidentTracker(FAULT_STEADY_S, clock)
            for name in (SILENCE.name, CANCELLING.name, OVERLOAD.name, WRONG_RATE)
        }
        self._said = False
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str:
        """The fault of the signal while the source listens, with its remedy; empty if there is none."""
        fault = self._fault
        return fault.sentence if fault else ""

    @property
    def interrupted(self) -> bool:
        """Whether the source is interrupted, or was just now, so that its losses will be logged with the interruption.

        Not until the episode ends: an unreliable microphone must be steady for up to an hour for that, and what a slow
        machine loses in that hour is a different matter.
        """
        deaf = self.state is not SourceState.LISTENING or self._clock() - self._listening_since <= JUST_NOW_S
        return self._deaf.under_way and deaf

    def report(self, state: SourceState, detail: str) -> None:
        """Take over a state that the source reports."""
        with self._lock:
            line = self._reported(state, _encodable(detail))
        self._say(line)

    def check(self, block: Block, *, live: bool = False) -> bool:
        """Check a block. Returns whether its signal is in order; a live source's blocks arrive as they are recorded."""
        wrong_rate = self._rate(block, self._clock(), is_device=live)
        fault = wrong_rate or self._hearing(block)
        if fault is not self._fault:
            with self._lock:
                line = self._on_fault(fault)
            self._say(line)
        return fault is None

    def tick(self) -> None:
        """Log what is due. Called about once a second."""
        with self._lock:
            listens = self.state is SourceState.LISTENING
            lines = [self._interruption_line(), *map(self._fault_line, self._incidents if listens else ())]
        for line in lines:
            self._say(line)

    def _reported(self, state: SourceState, detail: str) -> Line | None:
        if (state, detail) == (self.state, self.detail):
            return None
        before, said = self.state, self._said
        self.state, self.detail, self._said = state, detail, True
        words = f"{state}: {detail}"
        if state is not before:  # it may be another microphone now, or its switch was moved
            self._hearing, self._rate, self._fault = SignalMonitor(), RateMonitor(), None
        match state:
            case SourceState.RECOVERING:
                return (logging.WARNING if self._deaf.began() else logging.DEBUG), words
            case SourceState.WAITING:  # its words may differ each time
                return (logging.DEBUG if said and before is state else logging.WARNING), words
        if state is not before:
            self._listening_since = self._clock()
            for incident in (self._deaf, *self._incidents.values()):
                incident.ended()
        return (logging.DEBUG if self._deaf.under_way and state is SourceState.LISTENING else logging.INFO), words

    def _on_fault(self, fault: SignalFault | None) -> Line | None:
        if self._fault:
            self._incidents[self._fault.name].ended()
        self._fault = fault
        if fault and self._incidents[fault.name].began(fault.noticed_s):
            return logging.WARNING, fault.sentence
        return None

    def _interruption_line(self) -> Line | None:
        summary = self._deaf.due()
        if not summary:
            return None
        count = f"{summary.times} interruption{'' if summary.times == 1 else 's'}, {summary.bad_s:.0f} s deaf"
        if summary.over:
            return logging.INFO, f"listening again after {count}: {self.detail}"
        return logging.WARNING, f"not steady yet, {count}, now {self.state}: {self.detail}"

    def _fault_line(self, name: str) -> Line | None:
        summary = self._incidents[name].due()
        if not summary:
            return None
        count = (
            f"{summary.bad_s:.0f} s" if summary.times == 1 else f"{summary.times} times, {summary.bad_s:.0f} s in all"
        )
        if summary.over:
            return logging.INFO, f"no more {name}, after {count}"
        return logging.WARNING, f"still {name}, for {count}"

    def _say(self, line: Line | None) -> None:
        if line:
            log.log(line[0], "%s: %s", self._name, line[1])


def _encodable(detail: str) -> str:
    """The detail with undecodable bytes of paths replaced, so that every client can encode it."""
    return detail.encode(errors="surrogateescape").decode(errors="replace")


class DropoutMeter:
    """Decides when lost audio is logged: once an episode, or once a minute if it does not end."""

    def __init__(self) -> None:
        self._said_s = self._before_s = 0.0
        self._said_at = 0.0
        self._lost_at: deque[float] = deque(maxlen=LOSING_TIMES)
        self.trouble = ""  # a sentence while losses go on; else empty

    def news(self, lost_s: float, now: float, *, known: bool = False) -> float:
        """Return how many lost seconds to log now. Called about once a second.

        Args:
            lost_s: Lost in all.
            now: Monotonic time.
            known: Whether the losses are being logged otherwise.
        """
        before_s, self._before_s = self._before_s, lost_s
        if lost_s > before_s and not known:
            self._lost_at.append(now)
        often = len(self._lost_at) == LOSING_TIMES and now - self._lost_at[0] <= LOSING_S
        self.trouble = LOSING if often else ""
        if known:
            self._said_s = lost_s
        if lost_s == self._said_s:  # an episode can only begin after this
            self._said_at = now
            return 0.0
        if lost_s > before_s and now - self._said_at <= LOSING_S:
            return 0.0
        news_s = lost_s - self._said_s
        self._said_s, self._said_at = lost_s, now
        return news_s
