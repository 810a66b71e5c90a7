"""Turns blocks at the device's rate into 20 ms frames at the model's rate, on the 20 ms grid of the stream."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Block, Floats, Frames, Pcm

FRAMES_PER_S = 50
OFFSET_DECAY = 1 - 1 / FRAMES_PER_S  # per frame: a time constant of 1 s
OFFSET_SIGMAS = 5.0  # an offset counts if it exceeds so many standard errors of its estimate
LEAST_VARIANCE = 1 / 12  # of rounding to whole numbers
SILENT_POWER = np.float32(10 ** (SILENT_DBFS / 10))


class Framer:
    """Mixes to mono, resamples, cuts into frames and removes a constant offset (DC). One per stream.

    A block that does not start where the previous one stopped, or that has another rate or channel count, starts
    afresh: resampler state and partial frame are dropped, so that no frame mixes two moments.

    Args:
        sample_rate: The model's rate in Hz. 20 ms must be a whole number of samples.
    """

    def __init__(self, sample_rate: int) -> None:
        if sample_rate <= 0 or sample_rate % FRAMES_PER_S:
            raise ValueError(f"20 ms at {sample_rate} Hz is no whole number of samples")
        self._rate = sample_rate
        self._frame_samples = sample_rate // FRAMES_PER_S
        self._format: tuple[int, int] | None = None  # rate and channels since the last restart
        self._stop = 0  # end of the last block, in samples at its rate
        self._resampler: Any = None  # soxr.ResampleStream; None if the device has the model's rate
        self._skip = 0  # samples to drop before the next point of the grid
        self._partial: Pcm = np.empty(0, np.int16)  # less than a frame
        self._position = 0  # of the first sample of `_partial`, always on the grid
        self._offset = _Offset()
        self._lost_s = 0.0
        self._clock_offset_s: float | None = None

    @property
    def lost_s(self) -> float:
        """Total length of the gaps in the stream."""
        return self._lost_s

    @property
    def clock_offset_s(self) -> float | None:
        """Unix time of stream second 0 according to the latest block; None if blocks carry no time."""
        return self._clock_offset_s

    def frames(self, blocks: Iterable[Block]) -> Iterator[Frames]:
        """Yield the frames that each block completes. Can be called again with later blocks."""
        for block in blocks:
            if len(block.pcm):
                yield from self._cut(self._resample(block))

    def flush(self) -> Iterator[Frames]:
        """Yield the last frames of the stream, padding the final one with zeros."""
        if self._format is None:
            return
        tail = self._resampler.resample_chunk(np.empty(0, np.float32), last=True) if self._resampler else []
        yield from self._cut(_to_int16(np.asarray(tail, np.float32)))
        missing = -len(self._partial) % self._frame_samples
        if self._position == len(self._partial) == 0:
            missing = self._frame_samples  # a stream shorter than one sample at the model's rate is still a stream
        yield from self._cut(np.zeros(missing, np.int16))
        self._format = None

    def _resample(self, block: Block) -> Pcm:
        audio_format = (block.rate, block.pcm.shape[1])
        if audio_format != self._format or block.start != self._stop:
            self._restart(block)
            self._format = audio_format
        self._stop = block.start + len(block.pcm)
        if block.captured_at is not None:
            self._clock_offset_s = block.captured_at - self._stop / block.rate
        if self._resampler is None:
            return _mono(block.pcm)
        return _to_int16(self._resampler.resample_chunk(block.pcm.mean(axis=1, dtype=np.float32)))

    def _restart(self, block: Block) -> None:
        """Place the next frame on the first grid point that the block reaches and that no frame has covered."""
        stopped_s = self._stop / self._format[0] if self._format else 0.0
        self._lost_s += max(0.0, block.start / block.rate - stopped_s)
        self._resampler = None if block.rate == self._rate else _resampler(block.rate, self._rate)
        begins = -(-block.start * self._rate // block.rate)  # rounded up: a frame never starts before its audio
        aligned = -(-begins // self._frame_samples) * self._frame_samples
        self._position = max(aligned, self._position)
        self._skip = self._position - begins
        self._partial = np.empty(0, np.int16)
        self._offset = _Offset()  # it may be another device

    def _cut(self, pcm: Pcm) -> Iterator[Frames]:
        """Yield the whole frames, if any, and keep the rest."""
        skipped = min(self._skip, len(pcm))
        self._skip -= skipped
        joined = np.concatenate((self._partial, pcm[skipped:]))
        size = len(joined) // self._frame_samples * self._frame_samples
        rows, start = joined[:size].reshape(-1, self._frame_samples), self._position
        self._partial = joined[size:]
        self._position += size
        if size:
            rows = self._offset.removed(rows)
            yield Frames(start, rows, _levels_dbfs(rows))


class _Offset:
    """The constant offset (DC) of a signal: a moving average of frame means, weighted by their certainty.

    The mean of a loud frame says little, so a loud sound does not change the estimate, and leaves no tail behind it.
    """

    def __init__(self) -> None:
        self._weight = self._weighted_sum = 0.0
        self._latest: float | None = None  # what was subtracted at the end of the last frame

    def removed(self, rows: Pcm) -> Pcm:
        """Return frames (n, samples) without the offset. Frames without one are not changed."""
        samples = rows.astype(np.float32)
        means = samples.mean(axis=1)
        samples -= means[:, None]
        variances = np.vecdot(samples, samples) / rows.shape[1]
        measured = zip(means.tolist(), variances.tolist(), strict=True)
        offsets = [self._estimate(mean, variance, rows.shape[1]) for mean, variance in measured]
        before = [offsets[0] if self._latest is None else self._latest, *offsets[:-1]]
        self._latest = offsets[-1]
        if not any(before) and not any(offsets):
            return rows
        ramps = np.linspace(before, offsets, rows.shape[1], axis=1, dtype=np.float32)
        return _to_int16(rows.astype(np.float32) - ramps)

    def _estimate(self, mean: float, variance: float, count: int) -> float:
        """The offset with one more frame taken into account; 0 while it cannot be told from chance."""
        weight = count / max(variance, LEAST_VARIANCE)
        self._weight = self._weight * OFFSET_DECAY + weight
        self._weighted_sum = self._weighted_sum * OFFSET_DECAY + weight * mean
        offset = self._weighted_sum / self._weight
        return offset if offset * offset * self._weight > OFFSET_SIGMAS**2 else 0.0


def frames_of(blocks: Iterable[Block], sample_rate: int) -> Iterator[Frames]:
    """Yield all frames of a stream that ends, such as a recording."""
    framer = Framer(sample_rate)
    yield from framer.frames(blocks)
    yield from framer.flush()


def _resampler(from_rate: int, to_rate: int) -> Any:
    """A streaming resampler of one channel whose first output sample has the time of its first input sample.

    float32, because soxr adds dither to int16 output: the same audio would not give the same frames.
    """
    import soxr  # only needed if the device does not offer the model's rate

    return soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32")


def _mono(pcm: Pcm) -> Pcm:
    return pcm[:, 0] if pcm.shape[1] == 1 else _to_int16(pcm.mean(axis=1, dtype=np.float32))


def _to_int16(samples: Floats) -> Pcm:
    return np.clip(np.rint(samples), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _levels_dbfs(rows: Pcm) -> Floats:
    scaled = rows.astype(np.float32)
    power = np.vecdot(scaled, scaled) / np.float32(FULL_SCALE**2 * rows.shape[1])
    levels: Floats = np.float32(10) * np.log10(np.maximum(power, SILENT_POWER))
    return levels
