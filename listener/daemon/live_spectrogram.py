"""The live spectrogram: every column of sound as it is heard, gate open or not, while somebody looks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from listener.messages import Spectrum
from listener.pipeline.features import FeatureSpec, LogMel
from listener.pipeline.values import FULL_SCALE, Block, Floats, Frame, Pcm

HOP = 256  # samples: some sixty columns a second, as a screen has pictures
LOW_DB, HIGH_DB = -70.0, 20.0  # of the mel filters' power: a quiet room, a sound at full scale


class LiveSpectrogram:
    """Columns of one stream, as messages for `show`. They are made only while `wanted` says so.

    Used by the listen thread alone. `filters` is float32 (mels, fft // 2 + 1), as the front end's.
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
        self._looked = False  # whether somebody wanted it when the block began
        self._heard: list[Pcm] = []  # not shown yet, contiguous
        self._stop = 0  # where it ends, in samples of the stream

    def after_each(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same blocks; once the frames of one were heard, their columns are shown: no block waits for the next."""
        for block in blocks:
            self._looked = self._wanted()
            yield block
            self._flush()

    def seen(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, which those blocks became."""
        for frame in frames:
            if self._looked:
                self._see(frame)
            yield frame

    def _see(self, frame: Frame) -> None:
        if frame.span.start != self._stop:  # a gap, or nobody has looked for a while
            self._heard.clear()
        self._heard.append(frame.pcm)
        self._stop = frame.span.stop

    def _flush(self) -> None:
        if sum(map(len, self._heard)) < self._spec.fft:
            return
        pcm = np.concatenate(self._heard)
        mel = self._log_mel.columns(pcm.astype(np.float32) / np.float32(FULL_SCALE))
        self._heard = [pcm[HOP * mel.shape[1] :]]
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
