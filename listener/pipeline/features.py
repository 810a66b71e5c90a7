"""The front end: samples in, log-mel spectrogram out. Training and serving both use this one definition.

The filter bank is data. librosa makes it when training starts (`models.data.frontend`), and from then on it
travels with the checkpoint and the bundle, so that no second implementation of it can drift.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from listener.pipeline.values import SILENT_DBFS, Clip, ClipContext, Features, Floats, Span

COLUMNS_AT_ONCE = 100  # few enough to stay in the processor's cache


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Everything that decides what the model sees. It comes from the bundle, never from the configuration."""

    sample_rate: int = 16_000  # Hz
    clip_samples: int = 48_000
    fft: int = 512  # samples
    window: int = 400  # samples of the Hann window, at most `fft`
    hop: int = 160  # samples
    mels: int = 64
    f_min_hz: float = 125.0
    f_max_hz: float = 7_500.0
    mel_scale: Literal["slaney", "htk"] = "htk"  # where the filters lie between these
    power: Literal[1, 2] = 1  # of the magnitudes that a filter adds up
    log_floor: float = 1e-5  # smaller sums count as this
    mean_db: float = -20.0  # normalisation: (dB - mean) / scale, the same for every column
    scale_db: float = 20.0

    @property
    def columns(self) -> int:
        """Columns of one clip; windows are not centred, so none reaches past its ends."""
        return self.columns_in(self.clip_samples)

    def columns_in(self, samples: int) -> int:
        """Columns of so many samples."""
        return 1 + (samples - self.window) // self.hop

    @property
    def frame_samples(self) -> int:
        """Samples of a 20 ms frame."""
        return self.sample_rate // 50


class LogMel:
    """Log-mel spectrograms of clips, each column computed once however many clips share it.

    Equals `10 * log10(max(librosa.feature.melspectrogram(..., center=False), log_floor))`, normalised.
    One instance per stream and thread: it remembers the last clip, and works in memory of its own.
    `filters` is float32 (mels, fft // 2 + 1).
    """

    def __init__(self, spec: FeatureSpec, filters: Floats) -> None:
        expected = (spec.mels, spec.fft // 2 + 1)
        if filters.shape != expected:
            raise ValueError(f"mel filter bank is {filters.shape}, its FeatureSpec asks for {expected}")
        self.spec = spec
        self._halves = [
            _trimmed(filters, mels) for mels in (slice(0, spec.mels // 2), slice(spec.mels // 2, spec.mels))
        ]
        angle = 2 * np.pi * np.arange(spec.window) / spec.window
        self._window = (0.5 - 0.5 * np.cos(angle)).astype(np.float32)  # periodic Hann, as librosa's
        self._windowed = np.zeros((COLUMNS_AT_ONCE, spec.fft), dtype=np.float32)  # zeros behind each window
        self._spectrum = np.empty((COLUMNS_AT_ONCE, spec.fft // 2 + 1), dtype=np.complex64)
        self._powers = np.empty((2, COLUMNS_AT_ONCE, spec.fft // 2 + 1), dtype=np.float32)
        self._columns = np.empty((COLUMNS_AT_ONCE, spec.mels), dtype=np.float32)
        self._last: Features | None = None

    def __call__(self, clip: Clip) -> Features:
        """Return the features of a clip."""
        kept = self._shared_columns(clip)
        mel = np.empty((self.spec.mels, self.spec.columns), dtype=np.float32)
        mel[:, : kept.shape[1]] = kept
        self._fill(mel[:, kept.shape[1] :], clip.samples[kept.shape[1] * self.spec.hop :])
        self._last = Features(clip.span, mel, clip.context)
        return self._last

    def columns(self, samples: Floats) -> Floats:
        """Normalised log-mel of float32 (n,) samples: float32 (mels, 1 + (n - window) // hop)."""
        mel = np.empty((self.spec.mels, self.spec.columns_in(len(samples))), dtype=np.float32)
        self._fill(mel, np.ascontiguousarray(samples, dtype=np.float32))
        return mel

    def _fill(self, mel: Floats, samples: Floats) -> None:
        """Compute columns a few at a time, so that all of a step happens in the processor's cache."""
        spec, count = self.spec, mel.shape[1]
        windows = np.ndarray((count, spec.window), np.float32, samples, 0, (4 * spec.hop, 4))  # overlapping, not copied
        for start in range(0, count, COLUMNS_AT_ONCE):
            some = slice(start, start + COLUMNS_AT_ONCE)
            power = self._power(windows[some])
            columns = self._columns[: len(power)]
            for bins, mels, filters in self._halves:
                np.matmul(power[:, bins], filters, out=columns[:, mels])
            np.maximum(columns, np.float32(spec.log_floor), out=columns)
            np.log10(columns, out=columns)
            columns *= np.float32(20 / spec.power / spec.scale_db)
            columns -= np.float32(spec.mean_db / spec.scale_db)
            mel[:, some] = columns.T

    def _power(self, windows: Floats) -> Floats:
        """Power spectra of a few windows, in memory that is used again: fresh megabytes cost page faults."""
        count = len(windows)
        windowed = self._windowed[:count]
        np.multiply(windows, self._window, out=windowed[:, : self.spec.window])
        spectrum = np.fft.rfft(windowed, axis=1, out=self._spectrum[:count])  # type: ignore[arg-type]  # stubs: complex128
        power = np.square(spectrum.real, out=self._powers[0, :count])
        power += np.square(spectrum.imag, out=self._powers[1, :count])
        return np.sqrt(power, out=power) if self.spec.power == 1 else power

    def _shared_columns(self, clip: Clip) -> Floats:
        """Leading columns of this clip that the last one had too: same grid, and no padding under them."""
        nothing = np.empty((self.spec.mels, 0), dtype=np.float32)
        last = self._last
        if last is None or clip.span.stop <= last.span.stop or clip.span.start > last.span.stop:
            return nothing
        if len(clip.span) < self.spec.clip_samples or clip.span.start < last.span.start:
            return nothing
        shift, off_grid = divmod(clip.span.stop - last.span.stop, self.spec.hop)
        return nothing if off_grid else last.mel[:, shift:]


def _trimmed(filters: Floats, mels: slice) -> tuple[slice, slice, Floats]:
    """Some of the filters with only the bins they touch: float32 (bins, mels). The low half touches a fifth of them."""
    touched = np.flatnonzero(filters[mels].any(axis=0))
    bins = slice(int(touched[0]), int(touched[-1]) + 1)
    return bins, mels, np.ascontiguousarray(filters[mels, bins].T, dtype=np.float32)


def whole(samples: Floats) -> Clip:
    """A clip of a whole array, for those who have no stream."""
    span = Span(0, len(samples))
    return Clip(span, samples, ClipContext(span, SILENT_DBFS))
