"""Keeps the last minute of one source in memory, for sinks that record events, and how much of it may be speech.

Nothing is kept unless a sink asks for a recorder.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from listener.pipeline.observer import Observer
from listener.pipeline.values import Flags, Frames, Pcm, Prediction, Span

KEPT_S = 60.0
MARGIN_S = 10.0  # predictions are kept for this much longer, because they also cover what came before
VOICES = ("speech", "children_playing")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio of the stream, and the highest score of a voice in it or near it."""

    span: Span
    pcm: Pcm  # (samples,)
    rate: int
    speech: float


class Recorder(Observer):
    """Filled by the listen thread, read by any other.

    Args:
        source: Name of the source.
        labels: The model's labels; those in VOICES count as speech.
        rate: Sample rate of the frames in Hz.
        kept_s: How much audio is kept.
    """

    def __init__(self, source: str, labels: Sequence[str], rate: int, kept_s: float = KEPT_S) -> None:
        self.source, self.rate = source, rate
        self._voices = [number for number, label in enumerate(labels) if label in VOICES]
        self.knows_speech = VOICES[0] in labels
        self._kept, self._margin = round(kept_s * rate), round(MARGIN_S * rate)
        self._frames: deque[Frames] = deque()
        self._speech: deque[tuple[Span, float]] = deque()  # of each prediction: the highest score of a voice
        self._lock = threading.Lock()
        self.is_over = False  # the stream has ended, and all of it has been classified

    @property
    def position_s(self) -> float:
        """How much of the stream has been received and classified, in seconds."""
        with self._lock:
            return self._frames[-1].start / self.rate if self._frames else 0.0

    def on_frames(self, frames: Frames, active: Flags) -> None:  # noqa: ARG002
        """Take note of a batch of frames."""
        oldest = frames.stop - self._kept
        with self._lock:
            self._frames.append(frames)
            while self._frames[0].stop <= oldest:
                self._frames.popleft()
            while self._speech and self._speech[0][0].stop <= oldest - self._margin:
                self._speech.popleft()

    def on_prediction(self, prediction: Prediction) -> None:
        """Take note of a prediction."""
        score = max((float(prediction.scores[voice]) for voice in self._voices), default=0.0)
        with self._lock:
            self._speech.append((prediction.span, score))

    def excerpt(self, start_s: float, stop_s: float, around_s: float = 0.0) -> Excerpt | None:
        """Return the audio between two seconds of the stream, with silence in its gaps; None if it is not kept.

        Its speech score is the highest of all predictions within `around_s` of it.
        """
        start, stop, around = (round(seconds * self.rate) for seconds in (start_s, stop_s, around_s))
        with self._lock:
            touching = [frames for frames in self._frames if frames.stop > start and frames.start < stop]
            if not touching:
                return None
            start = max(start, touching[0].start, self._frames[-1].stop - self._kept)
            stop = min(stop, touching[-1].stop)
            scores = [
                score for span, score in self._speech if span.stop > start - around and span.start < stop + around
            ]
        return Excerpt(Span(start, stop), _joined(touching, Span(start, stop)), self.rate, max(scores, default=0.0))

    def forget(self) -> None:
        """Drop everything received until now."""
        with self._lock:
            self._frames.clear()
            self._speech.clear()


def _joined(touching: Sequence[Frames], span: Span) -> Pcm:
    """The samples of a span, zero where there are no frames."""
    pcm = np.zeros(len(span), np.int16)
    for frames in touching:
        begin, end = max(frames.start, span.start), min(frames.stop, span.stop)
        pcm[begin - span.start : end - span.start] = frames.pcm.reshape(-1)[begin - frames.start : end - frames.start]
    return pcm
