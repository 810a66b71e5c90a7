"""The last minute of one source, for whoever wants the audio of an event: in memory only, and with how much of it
sounds like speech.

It looks on while a pipeline runs, as the meter does. Nothing is kept where nobody asked for a recorder.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from listener.pipeline.values import Features, Frame, Gate, Pcm, Prediction, Span

KEPT_S = 60.0
MARGIN_S = 10.0  # predictions are kept for so much longer, for what was said just before
VOICES = ("speech", "children_playing")

T = TypeVar("T", Frame, "_Voiced")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio of the stream, and the highest score that a voice had in it or near it."""

    span: Span
    pcm: Pcm  # (samples,)
    rate: int
    speech: float


@dataclass(frozen=True, slots=True)
class _Voiced:
    """The higher of a prediction's scores for voices."""

    span: Span
    score: float


class Recorder:
    """Filled by a listen thread, asked by any other. A frame is kept as it is, not copied."""

    def __init__(self, source: str, labels: Sequence[str], rate: int, kept_s: float = KEPT_S) -> None:
        self.source, self.rate = source, rate
        self._voices = [number for number, label in enumerate(labels) if label in VOICES]
        self.knows_speech = VOICES[0] in labels
        self._kept, self._margin = round(kept_s * rate), round(MARGIN_S * rate)
        self._frames: deque[Frame] = deque()
        self._voiced: deque[_Voiced] = deque()
        self._lock = threading.Lock()
        self.is_over = False  # nothing more is heard, and what was heard is classified

    @property
    def position_s(self) -> float:
        """How much of the stream has been heard, and classified where there was something to hear."""
        with self._lock:
            return self._frames[-1].span.start / self.rate if self._frames else 0.0

    def excerpt(self, start_s: float, stop_s: float, around_s: float = 0.0) -> Excerpt | None:
        """What was heard between two seconds of the stream, silence where nothing came; None if it is not kept.

        Its speech is that of all predictions that touch it, or the `around_s` before and after it.
        """
        around = round(around_s * self.rate)
        with self._lock:
            frames = _touching(self._frames, Span(round(start_s * self.rate), round(stop_s * self.rate)))
            if not frames:
                return None
            start = max(round(start_s * self.rate), frames[0].span.start)
            stop = min(round(stop_s * self.rate), frames[-1].span.stop)
            heard = _touching(self._voiced, Span(start - around, stop + around))
        speech = max((voiced.score for voiced in heard), default=0.0)
        return Excerpt(Span(start, stop), _joined(frames, Span(start, stop)), self.rate, speech)

    def forget(self) -> None:
        """Keep nothing of what was heard until now."""
        with self._lock:
            self._frames.clear()
            self._voiced.clear()

    def gate(self, gate: Gate) -> Gate:
        """The same gate, with each of its frames kept."""
        return _RecordedGate(gate, self._keep)

    def classify(self, classify: Callable[[Features], Prediction]) -> Callable[[Features], Prediction]:
        """The same classifier, with what it says of voices kept."""

        def stage(features: Features) -> Prediction:
            prediction = classify(features)
            score = max((float(prediction.scores[voice]) for voice in self._voices), default=0.0)
            with self._lock:
                self._voiced.append(_Voiced(prediction.span, score))
            return prediction

        return stage

    def _keep(self, frame: Frame) -> None:
        oldest = frame.span.stop - self._kept
        with self._lock:
            self._frames.append(frame)
            while self._frames[0].span.stop <= oldest:
                self._frames.popleft()
            while self._voiced and self._voiced[0].span.stop <= oldest - self._margin:
                self._voiced.popleft()


class _RecordedGate:
    def __init__(self, gate: Gate, keep: Callable[[Frame], None]) -> None:
        self._gate, self._keep = gate, keep

    @property
    def floor_dbfs(self) -> float | None:
        return self._gate.floor_dbfs

    def __call__(self, frame: Frame) -> bool:
        self._keep(frame)
        return self._gate(frame)


def _touching(values: Iterable[T], span: Span) -> list[T]:
    return [value for value in values if value.span.stop > span.start and value.span.start < span.stop]


def _joined(frames: Iterable[Frame], span: Span) -> Pcm:
    """The samples of a stretch, zero where no frame is."""
    pcm = np.zeros(len(span), np.int16)
    for frame in frames:
        begin, end = max(frame.span.start, span.start), min(frame.span.stop, span.stop)
        pcm[begin - span.start : end - span.start] = frame.pcm[begin - frame.span.start : end - frame.span.start]
    return pcm
