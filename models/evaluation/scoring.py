"""Clips of whole recordings, the way `listener classify --scores` makes them."""

import numpy as np

from listener.pipeline.clipper import ClipConfig
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats

HOP_S = ClipConfig().hop_s
FRONT = np.float32(1e-4)  # what the live clipper puts before the first sample heard: noise of -80 dBFS


def clips_of(samples: Floats, spec: FeatureSpec) -> list[Floats]:
    """The clips of a recording: one every hop once a whole one was heard, and its end; short ones padded in front."""
    whole, hop = spec.clip_samples, int(HOP_S * spec.sample_rate)
    if len(samples) <= whole:
        return [_padded(samples, whole)]
    stops = [*range(whole, len(samples), hop), len(samples)]
    return [samples[stop - whole : stop] for stop in stops]


def _padded(samples: Floats, clip_samples: int) -> Floats:
    missing = clip_samples - len(samples)
    front = FRONT * np.random.default_rng(0).standard_normal(missing, dtype=np.float32)
    return np.concatenate([front, samples.astype(np.float32)])
