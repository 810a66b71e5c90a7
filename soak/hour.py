"""An hour of a real microphone: no loss, and the CPU use that the bench measures."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from bench import processes, sounds
from bench.live import MOST_CHILD_MB, MOST_CPU_MS, MOST_DAEMON_MB
from models.data.synthesis import synthesise
from soak.microphone import CONFIG, NAME, RATE, Microphone, microphone
from soak.plan import Plan
from soak.recovery import clean_row
from soak.rows import Row
from soak.running import Running, Watcher
from soak.vitals import growth_row, taken

HOUR_S = 3600.0
SCENE_S = 300.0
SAMPLE_S = 5.0
SLACK_S = 3.0  # of audio in flight, and gaps between the scene's players


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    cpu_s: float
    clips: int


def rows(plan: Plan) -> Iterator[Row]:
    """Yield rows on losses and CPU use."""
    scene, length_s = _scene(plan.scratch / "scene.wav"), plan.length_s(HOUR_S, least=30)
    with microphone(plan.scratch / "mic") as mic, Running(plan.scratch / "d", CONFIG, mic.variables) as daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            before = watcher.settled(NAME)
            began = time.monotonic()
            moments, vitals = [], []
            for moment in _moments(daemon, watcher, mic, scene, length_s):
                moments.append(moment)
                vitals.append(taken(daemon.pid, moment.at))
            after, elapsed_s, events = watcher.settled(NAME), time.monotonic() - began, watcher.events
        heard_s = after.heard_s - before.heard_s
        lost = f"{after.lost_s:.1f} s lost, {heard_s:.0f} of {elapsed_s:.0f} s heard, {events} lines of events"
        yield Row(
            "hour: nothing is lost", "0 s", lost, not after.lost_s and heard_s > elapsed_s - SLACK_S and events > 0
        )
        yield _cpu_row(moments)
        yield from _memory_rows(daemon)
        yield growth_row("hour", vitals)
        yield clean_row("hour", daemon)


def _moments(daemon: Running, watcher: Watcher, mic: Microphone, scene: Path, length_s: float) -> Iterator[_Moment]:
    began = time.monotonic()
    playing_until = 0.0
    while (now := time.monotonic() - began) < length_s:
        if now >= playing_until:
            mic.hear(scene)
            playing_until = now + SCENE_S
        family = [daemon.pid, *processes.children(daemon.pid)]
        source = watcher.source(NAME)
        assert source
        yield _Moment(time.monotonic(), sum(processes.cpu_s(member) for member in family), source.clips)
        time.sleep(SAMPLE_S)


def _cpu_row(moments: list[_Moment]) -> Row:
    """The cost of the stretches in which the gate was closed."""
    quiet = [
        1000 * (late.cpu_s - early.cpu_s) / (late.at - early.at)
        for early, late in pairwise(moments)
        if late.clips == early.clips
    ]
    asked = f"<= {MOST_CPU_MS:g} ms a second"
    if not quiet:
        return Row("hour: CPU while it is quiet", asked, "it was never quiet", False)
    typical = median(quiet)
    return Row("hour: CPU while it is quiet", asked, f"{typical:.1f} ms", typical <= MOST_CPU_MS)


def _memory_rows(daemon: Running) -> Iterator[Row]:
    children = processes.children(daemon.pid)
    for who, most_mb, pid in (("daemon", MOST_DAEMON_MB, daemon.pid), ("child", MOST_CHILD_MB, children[0])):
        held_mb = processes.rss_mb(pid)
        yield Row(f"hour: memory of the {who}", f"<= {most_mb:g} MB", f"{held_mb:.0f} MB", held_mb <= most_mb)


def _scene(path: Path) -> Path:
    """A quiet room with ten seconds of an alarm, and a doorbell later."""
    room = sounds.room_noise(SCENE_S, RATE)
    for label, at_s in (("smoke_alarm", 60), ("doorbell", 200)):
        sound = 0.3 * synthesise(label, 7, 10.0, RATE)
        room[at_s * RATE : at_s * RATE + len(sound)] += sound
    return sounds.write(path, np.clip(room, -1, 1), RATE)
