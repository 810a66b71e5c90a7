"""Unplug the microphone and plug it in again, at random moments."""

import time
from collections.abc import Iterator

from soak.microphone import CONFIG, NAME, Microphone, microphone
from soak.plan import Plan
from soak.recovery import Recoveries
from soak.rows import Row
from soak.running import Running, Watcher

TIMES = 200
PLUGGED_S = (0.2, 3.0)
AWAY_S = (0.1, 3.0)


def rows(plan: Plan) -> Iterator[Row]:
    """Yield rows on the recoveries."""
    moments = plan.moments()
    with microphone(plan.scratch / "mic") as mic, Running(plan.scratch / "d", CONFIG, mic.variables) as daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            recoveries = Recoveries("unplug", daemon, watcher, NAME)
            for _ in range(plan.count(TIMES)):
                time.sleep(moments.uniform(*PLUGGED_S))
                _pull(mic)
                time.sleep(moments.uniform(*AWAY_S))
                mic("plug")
                mic.hear()
                recoveries.wait()
        yield from recoveries.rows()


def _pull(mic: Microphone) -> None:
    mic.hush()
    mic("unplug")
