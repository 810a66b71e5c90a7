"""The mel filter bank, made when training starts; from then on it travels with the checkpoint and the bundle."""

import numpy as np
from numpy.typing import NDArray

from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats


def mel_filters(spec: FeatureSpec) -> Floats:
    """The mel filter bank of a spec, as YAMNet has it: float32 (mels, fft // 2 + 1).

    Triangles of peak 1 over the HTK mel scale (`tf.signal.linear_to_mel_weight_matrix`). The mean is left out.
    """
    bins = _mels(np.arange(1, spec.fft // 2 + 1) * spec.sample_rate / spec.fft)
    lowest, highest = _mels(np.array([spec.f_min_hz, spec.f_max_hz])).tolist()
    edges = np.linspace(lowest, highest, spec.mels + 2)
    low, centre, high = (edges[start : start + spec.mels, None] for start in range(3))
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(0)
    return np.pad(triangles, ((0, 0), (1, 0))).astype(np.float32)


def _mels(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(frequency_hz / 700)
