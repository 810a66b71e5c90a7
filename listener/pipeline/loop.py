"""The loop: frames in, events out. Everything else in this program feeds it or drains it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from listener.messages import Event
from listener.pipeline.clipper import ClipConfig, Clipper
from listener.pipeline.loudness import Loudness
from listener.pipeline.observer import Observer
from listener.pipeline.tracker import Rules, Tracker
from listener.pipeline.values import Clip, Features, Frames, Gate, Prediction


@dataclass(frozen=True, slots=True)
class Change:
    """New settings for a running pipeline. A stage that is not replaced keeps what it knows of the room."""

    rules: Rules
    clips: ClipConfig
    hang_over_s: float
    gate: Gate | None  # None keeps the gate
    loudness: Loudness | None
    replaces_loudness: bool


@dataclass(slots=True)
class Pipeline:
    """The stages of one stream. Stages and observers may be exchanged between two blocks."""

    gate: Gate
    clipper: Clipper
    featurise: Callable[[Clip], Features]
    classify: Callable[[Features], Prediction]
    tracker: Tracker
    loudness: Loudness | None = None  # reports loud sounds on the level alone
    observers: tuple[Observer, ...] = ()

    def events(self, stream: Iterable[Frames]) -> Iterator[Event]:
        """Yield the events of a stream, each as soon as it is known. All have ended when the stream has."""
        for frames in stream:
            active = self.gate(frames)
            for observer in self.observers:
                observer.on_frames(frames, active)
            if self.loudness:
                yield from self.loudness(frames)
            for clip in self.clipper.push(frames, active, held=lambda: self.tracker.active):
                yield from self.tracker.update(self._predict(clip))
        for clip in self.clipper.finish():
            yield from self.tracker.update(self._predict(clip))
        yield from self.tracker.finish()
        if self.loudness:
            yield from self.loudness.finish()

    def reconfigure(self, change: Change) -> Iterator[Event]:
        """Use other settings from the next frame on. Yields the ends of events that they no longer cover."""
        yield from self.tracker.reconfigure(change.rules)
        self.clipper.reconfigure(change.clips, change.hang_over_s)
        self.gate = change.gate or self.gate
        if change.replaces_loudness:
            yield from self.loudness.finish() if self.loudness else ()
            self.loudness = change.loudness

    def _predict(self, clip: Clip) -> Prediction:
        for observer in self.observers:
            observer.on_clip(clip)
        prediction = self.classify(self.featurise(clip))
        for observer in self.observers:
            observer.on_prediction(prediction)
        return prediction
