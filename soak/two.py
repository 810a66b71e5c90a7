"""Two microphones: one fails all the time, the other loses nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

from soak.microphone import Microphone, microphone
from soak.plan import Plan
from soak.recovery import clean_row
from soak.rows import Row
from soak.running import Running, Watcher

LENGTH_S = 300.0
MISHAP_S = (0.2, 4.0)
SLACK_S = 3.0  # of audio in flight when it is counted
CONFIG = """
[[source]]
kind = "microphone"
name = "good"
device = "virtual_mic"
[[source]]
kind = "microphone"
name = "bad"
device = "failing_mic"
wait = true
"""


def rows(plan: Plan) -> Iterator[Row]:
    """Yield what the good microphone lost while the other's server failed in every way."""
    with microphone(plan.scratch / "good") as good, microphone(plan.scratch / "bad") as bad:
        variables = good.variables | {"ALSA_CONFIG_PATH": str(_both(plan.scratch / "both.conf", good, bad))}
        with Running(plan.scratch / "d", CONFIG, variables) as daemon:
            daemon.listens()
            with Watcher(daemon.socket) as watcher:
                before, began = watcher.settled("good"), time.monotonic()
                mishaps = _torment(plan, bad)
                after, elapsed_s = watcher.settled("good"), time.monotonic() - began
                bad_one = watcher.settled("bad")
            heard_s = after.heard_s - before.heard_s
            seen = (
                f"{after.lost_s:.1f} s lost, {heard_s:.0f} of {elapsed_s:.0f} s heard, {mishaps} mishaps of the other"
            )
            held = not after.lost_s and heard_s > elapsed_s - SLACK_S and bad_one.lost_s > 0
            yield Row("two: the good one loses nothing", "0 s", seen, held)
            yield clean_row("two", daemon)


def _torment(plan: Plan, bad: Microphone) -> int:
    """Make one microphone fail repeatedly. Returns the number of failures."""
    moments, mishaps = plan.moments(), 0
    until = time.monotonic() + plan.length_s(LENGTH_S, least=20)
    while time.monotonic() < until:
        for begin, mend in (("unplug", "plug"), ("freeze", "thaw"), ("crash", "start")):
            bad(begin)
            time.sleep(moments.uniform(*MISHAP_S))
            bad(mend)
            bad.hear()
            time.sleep(moments.uniform(*MISHAP_S))
            mishaps += 1
    return mishaps


def _both(path: Path, good: Microphone, bad: Microphone) -> Path:
    """Write an ALSA configuration with both; the second has its own server."""
    theirs = "\n".join(
        line.replace("pcm.virtual_mic", "pcm.failing_mic")
        for line in (bad.folder / "asound.conf").read_text().splitlines()
        if line.startswith("pcm.virtual_mic")
    )
    path.write_text((good.folder / "asound.conf").read_text() + theirs + "\n")
    return path
