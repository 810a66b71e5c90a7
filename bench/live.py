"""The cost of a daemon on a microphone in a quiet room."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import processes, sounds
from bench.listening import Listening, Witness
from bench.microphone import RATE, VirtualMicrophone, virtual_microphone
from bench.plan import Plan
from bench.rows import BenchError, Row
from listener.messages import Level, SourceState, SourceStatus

CAPTURE = "listener.sources.microphone.capture"
MOST_CPU_MS = 8.0
MOST_DAEMON_MB, MOST_CHILD_MB = 100.0, 25.0
SETTLE_S = 20.0  # the gate adapts to the room
QUIET_S = 1.0
BURST_S = 0.5


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time of the daemon and its capture child in a quiet stretch, and their memory after it."""

    seconds: float
    daemon_ms: float  # CPU per second of audio
    child_ms: float
    daemon_mb: float
    child_mb: float
    daemon_pss_mb: float | None
    child_pss_mb: float | None
    gate_duty: float


def rows(plan: Plan) -> Iterator[Row]:
    """CPU while the room is quiet, and memory after the model has run."""
    length_s = 2 * SETTLE_S + plan.sizes.live_s  # more than enough: it is stopped
    room = sounds.write(plan.scratch / "room.wav", sounds.room_noise(length_s, RATE), RATE)
    with (
        virtual_microphone(plan.scratch) as microphone,
        microphone.background(room),  # a room is never digitally silent
        Listening(plan, microphone.variables) as listener,
    ):
        usage = measure(plan, microphone, listener)
    both = usage.daemon_ms + usage.child_ms
    parts = f"daemon {usage.daemon_ms:.1f} + child {usage.child_ms:.1f} over {usage.seconds:.0f} s"
    note = f"{parts}; gate open {usage.gate_duty:.0%}; +-{2000 / processes.TICKS_S / usage.seconds:.1f}"
    yield Row("live, CPU per second of silence", both, "ms", MOST_CPU_MS, note=note)
    yield Row("resident memory, daemon", usage.daemon_mb, "MB", MOST_DAEMON_MB, note=_pss(usage.daemon_pss_mb))
    yield Row("resident memory, capture child", usage.child_mb, "MB", MOST_CHILD_MB, note=_pss(usage.child_pss_mb))


def measure(plan: Plan, microphone: VirtualMicrophone, listener: Listening) -> Usage:
    """Measure a daemon after a sound, with only the room and no client."""
    listener.started_s()
    before = _exercised(plan.scratch, microphone, listener)
    daemon, child = listener.process.pid, _capture_child(listener)
    began, daemon_s, child_s = time.monotonic(), processes.cpu_s(daemon), processes.cpu_s(child)
    listener.wait(plan.sizes.live_s)
    seconds = time.monotonic() - began
    daemon_s, child_s = processes.cpu_s(daemon) - daemon_s, processes.cpu_s(child) - child_s
    with Witness(listener.socket, "status") as witness:
        after = witness.status()
    return Usage(
        seconds=seconds,
        daemon_ms=1000 * daemon_s / seconds,
        child_ms=1000 * child_s / seconds,
        daemon_mb=processes.rss_mb(daemon),
        child_mb=processes.rss_mb(child),
        daemon_pss_mb=processes.pss_mb(daemon),
        child_pss_mb=processes.pss_mb(child),
        gate_duty=_duty(before, after),
    )


def _exercised(scratch: Path, microphone: VirtualMicrophone, listener: Listening) -> SourceStatus:
    """Its status once a burst has passed through gate, front end and model and the room is quiet."""
    burst = sounds.write(scratch / "burst.wav", sounds.room_noise(BURST_S, RATE, dbfs=-15), RATE)
    with Witness(listener.socket, "level", "status") as witness:
        witness.until_quiet(QUIET_S, SETTLE_S)
        with microphone.playing(burst):
            witness.until(lambda message: isinstance(message, Level) and message.open, SETTLE_S, "an open gate")
            witness.until_quiet(QUIET_S, SETTLE_S)
        status = witness.status()
    if status.state != SourceState.LISTENING:
        raise BenchError(f"the microphone is {status.state}: {status.detail}")
    return status


def _capture_child(listener: Listening) -> int:
    """The capture child, not the idle one that watches the sound server."""
    found = [pid for pid in processes.children(listener.process.pid) if CAPTURE in processes.command(pid)]
    if len(found) != 1:
        raise BenchError(f"the daemon has {len(found)} child processes that capture, not one")
    return found[0]


def _duty(before: SourceStatus, after: SourceStatus) -> float:
    open_s = after.gate_duty * after.heard_s - before.gate_duty * before.heard_s
    return max(0.0, open_s / max(after.heard_s - before.heard_s, 1e-3))


def _pss(value: float | None) -> str:
    return "" if value is None else f"its share of shared pages only: {value:.1f} MB"
