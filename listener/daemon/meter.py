"""Measures a running pipeline for displays and status messages."""

import time
from bisect import bisect_left
from itertools import accumulate

from listener.messages import Level
from listener.pipeline.loop import Pipeline
from listener.pipeline.observer import Observer
from listener.pipeline.tracker import top_labels
from listener.pipeline.values import SILENT_DBFS, Clip, Flags, Frames, Prediction

TOOK_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # upper bounds of the histogram of inference times
TOP_FADES_S = 3.0  # while the gate is closed nothing is classified, and the last scores are soon out of date


class Meter(Observer):
    """The levels, scores and inference times of a pipeline. Written by its listen thread, read by any other."""

    def __init__(self, source: str, pipeline: Pipeline) -> None:
        self._source, self._pipeline = source, pipeline
        self.position = 0  # samples
        self.clips = 0
        self.busy_s = 0.0  # spent in front end and model
        self.updated_at = 0.0  # monotonic time of the latest frames
        self._level_dbfs = self._peak_dbfs = SILENT_DBFS
        self._began = 0.0
        self._took = [0] * (len(TOOK_MS) + 1)  # clips by inference time
        self._prediction: Prediction | None = None

    def on_frames(self, frames: Frames, active: Flags) -> None:  # noqa: ARG002
        """Take note of a batch of frames."""
        self.position, self._level_dbfs = frames.stop, float(frames.levels_dbfs[-1])
        self._peak_dbfs = max(self._peak_dbfs, float(frames.levels_dbfs.max()))
        self.updated_at = time.monotonic()

    def on_clip(self, clip: Clip) -> None:  # noqa: ARG002
        """Take note of a clip."""
        self._began = time.perf_counter()

    def on_prediction(self, prediction: Prediction) -> None:
        """Take note of a prediction."""
        took_s = time.perf_counter() - self._began
        self.busy_s += took_s
        self.clips += 1
        self._took[bisect_left(TOOK_MS, 1000 * took_s)] += 1
        self._prediction = prediction

    @property
    def heard_s(self) -> float:
        """Seconds of audio that went through the pipeline."""
        clipper = self._pipeline.clipper
        return round(clipper.frames / 50, 2)

    @property
    def gate_duty(self) -> float:
        """Share of the audio for which the gate was open."""
        clipper = self._pipeline.clipper
        return clipper.open_frames / max(clipper.frames, 1)

    def take_peak(self) -> float:
        """Return the level of the loudest frame since the last call, in dBFS."""
        peak_dbfs, self._peak_dbfs = self._peak_dbfs, SILENT_DBFS
        return peak_dbfs

    def took_at_most(self) -> dict[str, int]:
        """Return a cumulative histogram: upper bound in milliseconds, or `inf`, to number of clips."""
        return dict(zip([*map(str, TOOK_MS), "inf"], accumulate(self._took), strict=True))

    def level(self) -> Level:
        """Return the current readings as a message."""
        rules, last, floor_dbfs = self._pipeline.tracker.rules, self._prediction, self._pipeline.gate.floor_dbfs
        stale = time.monotonic() - self.updated_at > TOP_FADES_S
        current = last and not stale and self.position - last.span.stop < TOP_FADES_S * rules.sample_rate
        return Level(
            source=self._source,
            at_s=round(self.position / rules.sample_rate, 2),
            level_dbfs=SILENT_DBFS if stale else round(self._level_dbfs, 1),
            floor_dbfs=None if floor_dbfs is None else round(floor_dbfs, 1),
            open=self._pipeline.clipper.open,
            top=top_labels(rules, last.scores) if last and current else {},
        )
