"""Measures a room in which nothing happens that should be reported: level, gate, events, and stricter gates."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from listener.base.schema import changed
from listener.config import Config
from listener.daemon.build import build_pipeline
from listener.daemon.meter import Meter
from listener.doctor.ambient import AmbientLevel, AmbientMeter, some
from listener.messages import Event
from listener.pipeline import gates
from listener.pipeline.bundle import Bundle
from listener.pipeline.framer import Framer
from listener.pipeline.gates import GateConfig
from listener.pipeline.observer import Observer
from listener.pipeline.values import Features, Flags, Frames, Prediction
from listener.sources.base import BaseSource

FIRST_AUDIO_S = 15.0  # a network stream may take long to start
RISES_DB = (12.0, 15.0, 18.0)
STRICT_VAD = 2  # mode 3 misses events


@dataclass(frozen=True, slots=True)
class LabelActivity:
    """The events that were reported under one name."""

    events: int
    peak: float
    lasted_s: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measurements on which proposals are based.

    Attributes:
        room: Level and gate as configured.
        named: Events by the name under which they are reported.
        named_s: For how many seconds at least one event lasted.
        stricter: Stricter gates with what each would have done, the mildest change first.
    """

    room: AmbientLevel
    named: dict[str, LabelActivity]
    named_s: float
    stricter: tuple[tuple[GateConfig, AmbientLevel], ...]


Progress = Callable[[Meter, float], None]


def calibrate(
    config: Config,
    bundle: Bundle,
    classify: Callable[[Features], Prediction],
    source: BaseSource,
    *,
    seconds: float,
    progress: Progress,
) -> Calibration:
    """Run the pipeline over a source for `seconds`.

    Args:
        config: Gate, clips and labels as configured.
        bundle: The model's labels and rules.
        classify: The model.
        source: Is closed at the end.
        seconds: How long to listen; infinite for a recording to its end.
        progress: Called for each block with the meter and the seconds so far.
    """
    rate = bundle.features.sample_rate
    loop = build_pipeline(config, bundle, classify, source.name)
    meter, room = Meter(source.name, loop), AmbientMeter(loop.gate, config.gate.hang_over_s)
    shadows = [_ShadowGate(settings, rate) for settings in stricter(config.gate)]
    loop.observers = (meter, room, *shadows)

    def stream() -> Iterator[Frames]:
        for frames in Framer(rate).frames(room.blocks(some(source, seconds, FIRST_AUDIO_S))):
            yield frames
            progress(meter, room.seconds)

    events = list({event.id: event for event in loop.events(stream())}.values())
    return Calibration(room.room(), _named(events), covered_s(events), tuple(shadow.outcome() for shadow in shadows))


def stricter(gate: GateConfig) -> list[GateConfig]:
    """Return gates that open less than this one, the mildest change first."""
    rises = [rise for rise in RISES_DB if rise > gate.rise_db]
    vads = [STRICT_VAD] if gate.vad_mode < STRICT_VAD else []
    match gate.kind:
        case "open":
            return []
        case "webrtc":
            return [changed(gate, vad_mode=mode) for mode in vads]
        case "bands":
            return [changed(gate, rise_db=rise) for rise in rises]
    return [
        *(changed(gate, rise_db=rise) for rise in rises),
        *(changed(gate, vad_mode=mode, rise_db=rise) for mode in vads for rise in (gate.rise_db, *rises)),
        *(changed(gate, kind="bands", rise_db=rise) for rise in (gate.rise_db, *rises)),
    ]


class _ShadowGate(Observer):
    """A stricter gate that runs beside the real one, without effect."""

    def __init__(self, settings: GateConfig, rate: int) -> None:
        self._settings = settings
        self._gate = gates.make(settings, rate)
        self._meter = AmbientMeter(self._gate, settings.hang_over_s)

    def on_frames(self, frames: Frames, active: Flags) -> None:  # noqa: ARG002
        self._meter.on_frames(frames, self._gate(frames))

    def outcome(self) -> tuple[GateConfig, AmbientLevel]:
        return self._settings, self._meter.room()


def covered_s(events: Iterable[Event]) -> float:
    """Return for how long at least one of the events lasted, in seconds."""
    covered, until = 0.0, -inf
    for start_s, end_s in sorted((event.start_s, event.end_s or event.start_s) for event in events):
        covered += max(0.0, end_s - max(start_s, until))
        until = max(until, end_s)
    return covered


def _named(events: list[Event]) -> dict[str, LabelActivity]:
    found: dict[str, LabelActivity] = {}
    for event in events:
        before = found.get(event.label, LabelActivity(0, 0.0, 0.0))
        lasted_s = max(0.0, (event.end_s or event.start_s) - event.start_s)
        found[event.label] = LabelActivity(before.events + 1, max(before.peak, event.peak), before.lasted_s + lasted_s)
    return found
