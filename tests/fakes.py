"""Stand-ins that implement the real protocols."""

import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from listener.errors import SinkError
from listener.messages import Event, Level, SourceState, Status
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Block, Features, Floats, Frames, Prediction
from listener.routing.sink import BaseSink
from listener.sources.base import BaseSource, Report

SPEC = FeatureSpec(window=512, power=2, log_floor=1e-9, mean_db=-40.0)  # of the tiny bundle
FRAME = SPEC.frame_samples


def frames(start: int, *levels_dbfs: float) -> Frames:
    """Frames from a sample position on, one for each level. A sample's value is its position, so that splices show."""
    levels = np.array(levels_dbfs or (-60.0,), np.float32)
    pcm = (np.arange(start, start + len(levels) * FRAME) % 30_000 + 1).astype(np.int16)
    return Frames(start, pcm.reshape(-1, FRAME), levels)


def noise(seconds: float, dbfs: float, seed: int = 0) -> Floats:
    """White noise at the model's rate."""
    samples = np.random.default_rng(seed).standard_normal(int(seconds * SPEC.sample_rate), dtype=np.float32)
    return samples * np.float32(10 ** (dbfs / 20))


def pcm(samples: Floats) -> "np.ndarray":
    """int16 of floats."""
    return np.clip(np.round(samples * 32_768), -32_768, 32_767).astype(np.int16)


def blocks(samples: "np.ndarray", rate: int = SPEC.sample_rate, block_s: float = 0.04, start: int = 0) -> list[Block]:
    """Mono int16 samples as blocks."""
    size = int(block_s * rate)
    return [Block(start + i, rate, samples[i : i + size, None]) for i in range(0, len(samples), size)]


class FakeSource(BaseSource):
    """Gives the blocks it was made with, then what `then` does: ends, raises, or waits to be closed."""

    def __init__(
        self, given: Iterable[Block], *, name: str = "fake", live: bool = False, then: "str | Exception" = "end"
    ):
        self.name, self.live = name, live
        self._given, self._then = given, then
        self.closed = threading.Event()

    def blocks(self, report: Report) -> Iterator[Block]:
        report(SourceState.LISTENING, "fake")
        for block in self._given:
            if self.closed.is_set():
                return
            yield block
        if isinstance(self._then, Exception):
            raise self._then
        if self._then == "wait":
            self.closed.wait()

    def close(self) -> None:
        self.closed.set()


class FakeSink(BaseSink):
    """Keeps what it is given; `on_emit` may hang or raise. Its first `refusals` openings fail."""

    def __init__(self, on_emit: "Callable[[Event], None] | None" = None, refusals: int = 0):
        self.events: list[Event] = []
        self.calls: list[str] = []
        self._on_emit, self._refusals = on_emit, refusals

    def open(self) -> None:
        if self._refusals:
            self._refusals -= 1
            raise SinkError("the disk is not there; plug it in")
        self.calls.append("open")

    def emit(self, event: Event) -> None:
        if self._on_emit:
            self._on_emit(event)
        self.events.append(event)

    def close(self) -> None:
        self.calls.append("close")


class FakeViewer(FakeSink):
    """A sink that also wants levels and status."""

    wants_levels = True

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Level | Status] = []

    def on_level(self, level: Level) -> None:
        self.shown.append(level)

    def on_status(self, status: Status) -> None:
        self.shown.append(status)


class FakeClassifier:
    """Scores the first label by how loud the last quarter second is; the others get nothing."""

    def __init__(self, labels: int, over: float = 0.0):
        self._labels, self._over = labels, over

    def stream(self) -> "FakeClassifier":
        return self

    def __call__(self, features: Features) -> Prediction:
        scores = np.zeros(self._labels, dtype=np.float32)
        scores[0] = 0.95 if features.mel[:, -25:].max() > self._over else 0.02
        return Prediction(features.span, scores, features.context)
