"""Build pipelines from a configuration and a bundle."""

import os
from collections.abc import Callable

from listener import config as configuration
from listener.config import Config
from listener.messages import run_id
from listener.pipeline import gates
from listener.pipeline.bundle import Bundle
from listener.pipeline.clipper import Clipper
from listener.pipeline.event_machine import EventMaker
from listener.pipeline.features import LogMel
from listener.pipeline.frame_grid import frame_grid
from listener.pipeline.loop import Change, Pipeline
from listener.pipeline.loudness import LOUD, Loudness
from listener.pipeline.tracker import Rules, Tracker
from listener.pipeline.values import Features, Prediction


def build_pipeline(config: Config, bundle: Bundle, classify: Callable[[Features], Prediction], source: str) -> Pipeline:
    """Return a new pipeline for one source."""
    spec, prefix = bundle.features, _id_prefix()
    return Pipeline(
        gate=gates.make(config.gate, spec.sample_rate),
        clipper=Clipper(spec, config.clips, config.gate.hang_over_s),
        featurise=LogMel(spec, bundle.filters),
        classify=classify,
        tracker=Tracker(tracker_rules(config, bundle), source=source, model=bundle.name, prefix=prefix),
        loudness=_loudness(config, bundle, source, prefix),
    )


def change_pipeline(before: Config, after: Config, bundle: Bundle, source: str) -> Change:
    """Return what turns a running pipeline of one configuration into one of another."""
    return Change(
        rules=tracker_rules(after, bundle),
        clips=after.clips,
        hang_over_s=after.gate.hang_over_s,
        gate=gates.make(after.gate, bundle.features.sample_rate) if after.gate != before.gate else None,
        loudness=_loudness(after, bundle, source, _id_prefix()),
        replaces_loudness=(after.loud, after.events.update_s) != (before.loud, before.events.update_s),
    )


def tracker_rules(config: Config, bundle: Bundle) -> Rules:
    """Return the rules of the bundle with the changes of the configuration."""
    spec = bundle.features
    return Rules(
        labels=bundle.labels,
        rules=configuration.rules(config, bundle),
        names=configuration.names(config),
        smoothing=config.events.smoothing,
        update_s=config.events.update_s,
        sample_rate=spec.sample_rate,
        hop_s=config.clips.hop_s,
        grid=frame_grid(spec, bundle.frame_s, bundle.first_frame_s),
        min_similarity=bundle.familiar if config.events.familiar is None else config.events.familiar,
    )


def _id_prefix() -> str:
    """A prefix that makes event ids unique over sources and restarts."""
    return run_id() + os.urandom(3).hex()


def _loudness(config: Config, bundle: Bundle, source: str, prefix: str) -> Loudness | None:
    if not config.loud.enabled:
        return None
    maker = EventMaker(source, bundle.name, f"{prefix}-{LOUD}")
    rate = bundle.features.sample_rate
    return Loudness(config.loud, maker, update_s=config.events.update_s, sample_rate=rate)
