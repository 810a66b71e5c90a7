"""Kill and freeze the sound server."""

import time
from collections.abc import Iterator

from soak.microphone import CONFIG, NAME, microphone
from soak.plan import Plan
from soak.recovery import Recoveries
from soak.rows import Row
from soak.running import Running, Watcher

TIMES = 50
STEADY_S = (0.5, 3.0)
DEAD_S = (0.1, 2.0)
FROZEN_S = (2.0, 6.0)  # longer than a stall takes to be noticed


def rows(plan: Plan) -> Iterator[Row]:
    """Yield rows on the recoveries, for killing and for freezing."""
    moments = plan.moments()
    with microphone(plan.scratch / "mic") as mic, Running(plan.scratch / "d", CONFIG, mic.variables) as daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            killed = Recoveries("server killed", daemon, watcher, NAME)
            for _ in range(plan.count(TIMES)):
                time.sleep(moments.uniform(*STEADY_S))
                mic("crash")
                time.sleep(moments.uniform(*DEAD_S))
                mic("start")
                mic.hear()
                killed.wait()
            yield from killed.rows()
            frozen = Recoveries("server frozen", daemon, watcher, NAME)
            for _ in range(plan.count(TIMES)):
                time.sleep(moments.uniform(*STEADY_S))
                mic("freeze")
                time.sleep(moments.uniform(*FROZEN_S))
                mic("thaw")
                frozen.wait()
            yield from frozen.rows()
