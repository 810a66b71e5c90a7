"""The loop: frames in, events out. Everything else in this program feeds it or drains it."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from listener import config as configuration
from listener.config import ClipConfig, Config
from listener.messages import Event, run_id
from listener.pipeline import gates
from listener.pipeline.bundle import Bundle
from listener.pipeline.clipper import Clipper
from listener.pipeline.features import LogMel
from listener.pipeline.frame_grid import frame_grid
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

    def adopt(self, change: "Change") -> Iterator[Event]:
        """Go by something else from the next frame on; the ends of the events that it does not know."""
        yield from self.tracker.adopt(change.rules)
        self.clipper.adopt(change.clips, change.hang_over_s)
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


def change(before: Config, after: Config, bundle: Bundle, source: str) -> Change:
    """What a pipeline that was built of one configuration needs to go by another."""
    return Change(
        rules=rules(after, bundle),
        clips=after.clips,
        hang_over_s=after.gate.hang_over_s,
        gate=gates.make(after.gate, bundle.features.sample_rate) if after.gate != before.gate else None,
        loud=_loud(after, bundle, source, _prefix()),
        other_loud=(after.loud, after.events.update_s) != (before.loud, before.events.update_s),
    )


def build(config: Config, bundle: Bundle, classify: Callable[[Features], Prediction], source: str) -> Pipeline:
    """A new pipeline for one source, as the configuration and the bundle say."""
    spec, prefix = bundle.features, _prefix()
    return Pipeline(
        gate=gates.make(config.gate, spec.sample_rate),
        clipper=Clipper(spec, config.clips, config.gate.hang_over_s),
        featurise=LogMel(spec, bundle.filters),
        classify=classify,
        tracker=Tracker(rules(config, bundle), source=source, model=bundle.name, prefix=prefix),
        loud=_loud(config, bundle, source, prefix),
    )


def _prefix() -> str:
    """What ids begin with, so that they are unique over sources and restarts."""
    return run_id() + os.urandom(3).hex()


def _loud(config: Config, bundle: Bundle, source: str, prefix: str) -> Loud | None:
    if not config.loud.enabled:
        return None
    return Loud(
        config.loud,
        update_s=config.events.update_s,
        sample_rate=bundle.features.sample_rate,
        source=source,
        model=bundle.name,
        prefix=prefix,
    )


def rules(config: Config, bundle: Bundle) -> Rules:
    """What a tracker goes by: the bundle's rules with what the configuration changes."""
    spec = bundle.features
    return Rules(
        labels=bundle.labels,
        rules=configuration.rules(config, bundle),
        names=configuration.names(config),
        smoothing=config.events.smoothing,
        update_s=config.events.update_s,
        sample_rate=spec.sample_rate,
        hop_s=config.clips.hop_s,
        grid=frame_grid(spec, bundle.frame_s),
        familiar=bundle.familiar if config.events.familiar is None else config.events.familiar,
    )
