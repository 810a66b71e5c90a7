"""Scores of whole recordings, the way `listener classify --scores` makes them: the mean over a file's clips."""

from collections.abc import Callable

import numpy as np

from listener.features import LogMel
from listener.types import Floats

Classify = Callable[[Floats], Floats]  # mels (clips, mels, columns) -> probabilities (clips, labels)

HOP_S = 0.5
FRONT = np.float32(1e-4)  # what the live clipper puts before the first sample heard: noise of -80 dBFS


def clips(samples: Floats, clip_samples: int, hop: int) -> list[Floats]:
    """The clips of a recording: one every hop once a whole one was heard, and its end; short ones padded in front."""
    if len(samples) <= clip_samples:
        return [_padded(samples, clip_samples)]
    stops = [*range(clip_samples, len(samples), hop), len(samples)]
    return [samples[stop - clip_samples : stop] for stop in stops]


def file_scores(samples: Floats, log_mel: LogMel, classify: Classify) -> Floats:
    """Probabilities (labels,) of a recording at the model's rate."""
    spec = log_mel.spec
    mels = np.stack([log_mel.columns(c) for c in clips(samples, spec.clip_samples, int(HOP_S * spec.sample_rate))])
    mean: Floats = classify(mels).mean(axis=0)
    return mean


def _padded(samples: Floats, clip_samples: int) -> Floats:
    missing = clip_samples - len(samples)
    front = FRONT * np.random.default_rng(0).standard_normal(missing, dtype=np.float32)
    return np.concatenate([front, samples.astype(np.float32)])
