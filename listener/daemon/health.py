"""How a source is doing, and what the log says of it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from listener.base.incidents import IncidentTracker
from listener.daemon.rate_monitor import WRONG_RATE, RateMonitor
from listener.daemon.signal_faults import CANCELLING, CLIPPING, SILENCE, SignalFault, SignalMonitor
from listener.messages import SourceState
from listener.pipeline.values import Block

log = logging.getLogger(__name__)

DEAF_STEADY_S = 10.0  # a microphone that listened for so long is back
JUST_NOW_S = 2.0  # what was lost of an interruption is counted within a tick after it
ILL_STEADY_S = 30.0  # longer than it takes to notice that it is as silent as before

LOSING_S = 60.0  # what is lost in the course of so long is one line,
LOSING_TIMES = 3  # and trouble, where it is lost in so many different seconds of it
LOSING = (
    "audio is lost again and again: this machine, or its sound card, does not keep up."
    " Look at its load, and take other work from it, or give it fewer sources or a smaller model"
)

Line = tuple[int, str]  # level, text


class SourceHealth:
    """A source's state, the reason for it, and what is wrong with what it gives, by its own account and its audio.

    Told by the source's thread, asked by any. The log gets a line when something goes wrong, and one when it is over.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._listening_since = 0.0
        self.state, self.detail = SourceState.WAITING, "starting"
        self._ailment: SignalFault | None = None
        self._hearing, self._rate = SignalMonitor(), RateMonitor()
        self._deaf = IncidentTracker(DEAF_STEADY_S, clock)
        self._ailments = {
            name: IncidentTracker(ILL_STEADY_S, clock)
            for name in (SILENCE.name, CANCELLING.name, CLIPPING.name, WRONG_RATE)
        }
        self._said = False
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str:
        """What is wrong with what it hears, while it listens; empty when that is well."""
        ailment = self._ailment
        return ailment.sentence if ailment else ""

    @property
    def interrupted(self) -> bool:
        """Whether it is deaf, or was just now, so that it will yet be said how much was lost.

        Not for the whole of an episode: a microphone that was flaky has to be steady for up to an hour to end it, and
        what a slow machine loses in that hour is another matter.
        """
        deaf = self.state is not SourceState.LISTENING or self._clock() - self._listening_since <= JUST_NOW_S
        return self._deaf.under_way and deaf

    def report(self, state: SourceState, detail: str) -> None:
        """The source says how it is doing."""
        with self._lock:
            line = self._reported(state, _encodable(detail))
        self._say(line)

    def heard(self, block: Block, *, live: bool = False) -> bool:
        """Note a block, which of a live source arrives as it is recorded; return whether its audio is well."""
        wrong_rate = self._rate(block, self._clock(), is_device=live)
        ailment = wrong_rate or self._hearing(block)
        if ailment is not self._ailment:
            with self._lock:
                line = self._fell_ill(ailment)
            self._say(line)
        return ailment is None

    def tick(self) -> None:
        """Say what is due: to be called about once a second."""
        with self._lock:
            listens = self.state is SourceState.LISTENING
            lines = [self._of_the_deaf(), *map(self._of_the_ill, self._ailments if listens else ())]
        for line in lines:
            self._say(line)

    def _reported(self, state: SourceState, detail: str) -> Line | None:
        if (state, detail) == (self.state, self.detail):
            return None
        before, said = self.state, self._said
        self.state, self.detail, self._said = state, detail, True
        words = f"{state}: {detail}"
        if state is not before:  # what comes next may be another microphone, or the same with its switch moved
            self._hearing, self._rate, self._ailment = SignalMonitor(), RateMonitor(), None
        match state:
            case SourceState.RECOVERING:
                return (logging.WARNING if self._deaf.began() else logging.DEBUG), words
            case SourceState.WAITING:  # it may say so in ever new words
                return (logging.DEBUG if said and before is state else logging.WARNING), words
        if state is not before:
            self._listening_since = self._clock()
            for episodes in (self._deaf, *self._ailments.values()):
                episodes.ended()
        return (logging.DEBUG if self._deaf.under_way and state is SourceState.LISTENING else logging.INFO), words

    def _fell_ill(self, ailment: SignalFault | None) -> Line | None:
        if self._ailment:
            self._ailments[self._ailment.name].ended()
        self._ailment = ailment
        if ailment and self._ailments[ailment.name].began(ailment.noticed_s):
            return logging.WARNING, ailment.sentence
        return None

    def _of_the_deaf(self) -> Line | None:
        told = self._deaf.due()
        if not told:
            return None
        count = f"{told.times} interruption{'' if told.times == 1 else 's'}, {told.bad_s:.0f} s deaf"
        if told.over:
            return logging.INFO, f"listening again after {count}: {self.detail}"
        return logging.WARNING, f"not steady yet, {count}, now {self.state}: {self.detail}"

    def _of_the_ill(self, name: str) -> Line | None:
        told = self._ailments[name].due()
        if not told:
            return None
        count = f"{told.bad_s:.0f} s" if told.times == 1 else f"{told.times} times, {told.bad_s:.0f} s in all"
        if told.over:
            return logging.INFO, f"no more {name}, after {count}"
        return logging.WARNING, f"still {name}, for {count}"

    def _say(self, line: Line | None) -> None:
        if line:
            log.log(line[0], "%s: %s", self._name, line[1])


def _encodable(detail: str) -> str:
    """The detail without a path's bytes that are no text: who is told the status can encode it, whatever the locale."""
    return detail.encode(errors="surrogateescape").decode(errors="replace")


class DropoutMeter:
    """What is to be said of lost audio: once an episode, or a minute where it does not end."""

    def __init__(self) -> None:
        self._said_s = self._before_s = 0.0
        self._said_at = 0.0
        self._lost_at: deque[float] = deque(maxlen=LOSING_TIMES)
        self.trouble = ""  # while it goes on losing

    def news(self, lost_s: float, now: float, *, known: bool = False) -> float:
        """How many seconds to say now, of so many lost in all; to be asked about once a second. `known`: none."""
        before_s, self._before_s = self._before_s, lost_s
        if lost_s > before_s and not known:
            self._lost_at.append(now)
        often = len(self._lost_at) == LOSING_TIMES and now - self._lost_at[0] <= LOSING_S
        self.trouble = LOSING if often else ""
        if known:
            self._said_s = lost_s
        if lost_s == self._said_s:  # if an episode begins, then after this
            self._said_at = now
            return 0.0
        if lost_s > before_s and now - self._said_at <= LOSING_S:
            return 0.0
        news_s = lost_s - self._said_s
        self._said_s, self._said_at = lost_s, now
        return news_s
