"""The loop: frames in, events out. Everything else in this program feeds it or drains it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from listener.messages import Event
from listener.pipeline.clipper import ClipConfig, Clipper
from listener.pipeline.loudness import Loud
from listener.pipeline.tracker import Rules, Tracker
from listener.pipeline.values import Clip, Features, Frame, Gate, Prediction


@dataclass(slots=True)
class Pipeline:
    """The stages of one stream. Each is a callable, or near it, with one value in and one out.

    A stage may be exchanged between two frames.
    """

    gate: Gate
    clipper: Clipper
    featurise: Callable[[Clip], Features]
    classify: Callable[[Features], Prediction]
    tracker: Tracker
    loud: Loud | None = None  # looks at the level alone, beside the others

    def events(self, frames: Iterable[Frame]) -> Iterator[Event]:
        """The events of a stretch of stream, as soon as each is known. All have ended when it has."""
        for frame in frames:
            if self.loud:
                yield from self.loud(frame)
            for clip in self.clipper.push(frame, active=self.gate(frame), held=self.tracker.active):
                yield from self.tracker.update(self.classify(self.featurise(clip)))
        for clip in self.clipper.finish():
            yield from self.tracker.update(self.classify(self.featurise(clip)))
        yield from self.tracker.finish()
        if self.loud:
            yield from self.loud.finish()

    def reconfigure(self, change: "Change") -> Iterator[Event]:
        """Go by something else from the next frame on; the ends of the events that it does not know."""
        yield from self.tracker.reconfigure(change.rules)
        self.clipper.reconfigure(change.clips, change.hang_over_s)
        if change.other_loud:
            yield from self.loud.finish() if self.loud else ()
            self.loud = change.loud


@dataclass(frozen=True, slots=True)
class Change:
    """What a running pipeline is to go by. A gate and a level detector that may stay do: they know the room."""

    rules: Rules
    clips: ClipConfig
    hang_over_s: float
    gate: Gate | None  # None: the one it has; for whoever has wrapped that to exchange
    loud: Loud | None
    other_loud: bool
