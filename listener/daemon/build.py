"""Build a pipeline from a configuration and a bundle."""

import os
from collections.abc import Callable

from listener import config as configuration
from listener.config import Config
from listener.messages import run_id
from listener.pipeline import gates
from listener.pipeline.bundle import Bundle
from listener.pipeline.clipper import Clipper
from listener.pipeline.features import LogMel
from listener.pipeline.frame_grid import frame_grid
from listener.pipeline.loop import Change, Pipeline
from listener.pipeline.loudness import Loud
from listener.pipeline.tracker import Rules, Tracker
from listener.pipeline.values import Features, Prediction


def change_pipeline(before: Config, after: Config, bundle: Bundle, source: str) -> Change:
    """What a pipeline that was built of one configuration needs to go by another."""
    return Change(
        rules=tracker_rules(after, bundle),
        clips=after.clips,
        hang_over_s=after.gate.hang_over_s,
        gate=gates.make(after.gate, bundle.features.sample_rate) if after.gate != before.gate else None,
        loud=_loud(after, bundle, source, _prefix()),
        replaces_loud=(after.loud, after.events.update_s) != (before.loud, before.events.update_s),
    )


def build_pipeline(config: Config, bundle: Bundle, classify: Callable[[Features], Prediction], source: str) -> Pipeline:
    """A new pipeline for one source, as the configuration and the bundle say."""
    spec, prefix = bundle.features, _prefix()
    return Pipeline(
        gate=gates.make(config.gate, spec.sample_rate),
        clipper=Clipper(spec, config.clips, config.gate.hang_over_s),
        featurise=LogMel(spec, bundle.filters),
        classify=classify,
        tracker=Tracker(tracker_rules(config, bundle), source=source, model=bundle.name, prefix=prefix),
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


def tracker_rules(config: Config, bundle: Bundle) -> Rules:
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
        grid=frame_grid(spec, bundle.frame_s, bundle.first_frame_s),
        familiar=bundle.familiar if config.events.familiar is None else config.events.familiar,
    )
