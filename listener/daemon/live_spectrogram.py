"""The live spectrogram: columns of sound as they arrive, whether the gate is open or not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from listener.messages import Spectrum
from listener.pipeline.features import FeatureSpec, LogMel
from listener.pipeline.observer import Observer
from listener.pipeline.values import FULL_SCALE, Flags, Floats, Frames, Pcm

HOP = 256  # samples: about sixty columns a second, the refresh rate of a screen
LOW_DB, HIGH_DB = -70.0, 20.0  # power in a mel band: a quiet room, a sound at full scale


class LiveSpectrogram(Observer):
    """Computes the spectrogram of one stream while `wanted` returns true.

    Args:
        source: Name of the source, for the messages.
        spec: The front end of the model; the columns come more often than its own.
        filters: Its mel filters, float32 (mels, fft // 2 + 1).
        wanted: Whether anybody watches. Asked for every block.
        show: Receives the columns of each block.
    """

    def __init__(
        self,
        source: str,
        spec: FeatureSpec,
        filters: Floats,
        wanted: Callable[[], bool],
        show: Callable[[Spectrum], None],
    ) -> None:
        self._source, self._spec = source, replace(spec, hop=HOP)
        self._log_mel = LogMel(self._spec, filters)
        self._wanted, self._show = wanted, show
        self._pending: Pcm = np.empty(0, np.int16)  # contiguous samples not shown yet
        self._stop = 0  # where they end, in samples of the stream

    def on_frames(self, frames: Frames, active: Flags) -> None:  # noqa: ARG002
        """Take note of a batch of frames."""
        if not self._wanted():
            return
        before = self._pending if frames.start == self._stop else self._pending[:0]  # a gap, or nobody watched
        pcm, self._stop = np.concatenate((before, frames.pcm.reshape(-1))), frames.stop
        self._pending = pcm
        if len(pcm) >= self._spec.fft:
            mel = self._log_mel.columns(pcm.astype(np.float32) / np.float32(FULL_SCALE))
            self._pending = pcm[HOP * mel.shape[1] :]
            self._show(self._spectrum(mel))

    def _spectrum(self, mel: Floats) -> Spectrum:
        spec = self._spec
        level_db = mel * np.float32(spec.scale_db) + np.float32(spec.mean_db)
        shades = np.clip((level_db - LOW_DB) * (255 / (HIGH_DB - LOW_DB)), 0, 255).astype(np.uint8)
        return Spectrum(
            source=self._source,
            at_s=round(self._stop / spec.sample_rate, 3),
            column_s=HOP / spec.sample_rate,
            low_db=LOW_DB,
            high_db=HIGH_DB,
            mels=spec.mels,
            columns=shades.T.tobytes(),
        )
