"""The mel filter bank, made once by librosa; from then on it travels with the checkpoint and the bundle."""

import numpy as np

from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats


def mel_filters(spec: FeatureSpec) -> Floats:
    """The mel filter bank for a spec: float32 (mels, fft // 2 + 1)."""
    import librosa  # half a second of import that only the first minute of a training run needs

    filters = librosa.filters.mel(
        sr=spec.sample_rate,
        n_fft=spec.fft,
        n_mels=spec.mels,
        fmin=spec.f_min_hz,
        fmax=spec.f_max_hz,
        htk=spec.mel_scale == "htk",
    )
    return np.asarray(filters, dtype=np.float32)
