"""Looks on while a pipeline runs, for displays and status lines. It never changes what happens."""

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import accumulate

from listener.messages import Level
from listener.pipeline.clipper import Clipper
from listener.pipeline.loop import Pipeline
from listener.pipeline.tracker import Rules, top_labels
from listener.pipeline.values import SILENT_DBFS, Clip, Features, Frame, Gate, Prediction

TOOK_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # by which clips are counted; the rest took longer
TOP_FADES_S = 3.0  # with the gate closed nothing is classified, and the last scores soon say nothing


@dataclass(slots=True)
class Meter:
    """What a pipeline last heard, and what it has cost. Written by its listen thread, read by any other."""

    source: str
    rules: Rules
    gate: Gate  # may be exchanged between two frames
    clipper: Clipper
    position: int = 0  # samples
    level_dbfs: float = SILENT_DBFS
    peak_dbfs: float = SILENT_DBFS  # since `take_peak` was last called
    clips: int = 0
    busy_s: float = 0.0  # spent in front end and model
    featurise_s: float = 0.0  # of it, in the front end, for the clip under way
    took: list[int] = field(default_factory=lambda: [0] * (len(TOOK_MS) + 1))  # clips by how long they took
    heard_at: float = 0.0  # monotonic
    prediction: Prediction | None = None

    def take_peak(self) -> float:
        """The level of the loudest frame since the last call."""
        peak_dbfs, self.peak_dbfs = self.peak_dbfs, SILENT_DBFS
        return peak_dbfs

    def count(self, classify_s: float) -> None:
        """One more clip was classified."""
        spent_s = self.featurise_s + classify_s
        self.busy_s += spent_s
        self.clips += 1
        self.took[bisect_left(TOOK_MS, 1000 * spent_s)] += 1

    def took_at_most(self) -> dict[str, int]:
        """How many clips took at most so many milliseconds; `inf`: all of them."""
        return dict(zip([*map(str, TOOK_MS), "inf"], accumulate(self.took), strict=True))

    def level(self) -> Level:
        """The meter as a message."""
        rate = self.rules.sample_rate
        last, floor_dbfs = self.prediction, self.gate.floor_dbfs
        absent = time.monotonic() - self.heard_at > TOP_FADES_S
        fresh = last and not absent and self.position - last.span.stop < TOP_FADES_S * rate
        return Level(
            source=self.source,
            at_s=round(self.position / rate, 2),
            level_dbfs=SILENT_DBFS if absent else round(self.level_dbfs, 1),
            floor_dbfs=None if floor_dbfs is None else round(floor_dbfs, 1),
            open=self.clipper.open,
            top=top_labels(self.rules, last.scores) if last and fresh else {},
        )


def metered(pipeline: Pipeline, source: str, rules: Rules) -> tuple[Pipeline, Meter]:
    """The same pipeline with a meter looking on, and the meter."""
    meter = Meter(source, rules, pipeline.gate, pipeline.clipper)
    watched = replace(
        pipeline,
        gate=_MeteredGate(meter),
        featurise=_timed(pipeline.featurise, meter),
        classify=_scored(pipeline.classify, meter),
    )
    return watched, meter


class _MeteredGate:
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    @property
    def floor_dbfs(self) -> float | None:
        return self._meter.gate.floor_dbfs

    def __call__(self, frame: Frame) -> bool:
        meter = self._meter
        meter.position, meter.level_dbfs = frame.span.stop, frame.level_dbfs
        meter.peak_dbfs = max(meter.peak_dbfs, frame.level_dbfs)
        meter.heard_at = time.monotonic()
        return meter.gate(frame)


def _timed(featurise: Callable[[Clip], Features], meter: Meter) -> Callable[[Clip], Features]:
    def stage(clip: Clip) -> Features:
        began = time.perf_counter()
        features = featurise(clip)
        meter.featurise_s = time.perf_counter() - began
        return features

    return stage


def _scored(classify: Callable[[Features], Prediction], meter: Meter) -> Callable[[Features], Prediction]:
    def stage(features: Features) -> Prediction:
        began = time.perf_counter()
        prediction = classify(features)
        meter.count(time.perf_counter() - began)
        meter.prediction = prediction
        return prediction

    return stage
