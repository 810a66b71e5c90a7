"""Blocks at the device's rate become 20 ms frames at the model's rate, on the 20 ms grid of the stream."""

from collections.abc import Iterable, Iterator
from math import log10
from typing import Any

import numpy as np

from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Block, Floats, Frame, Pcm, Span

FRAMES_PER_S = 50
SILENT_POWER = 10 ** (SILENT_DBFS / 10)


class Framer:
    """Mixes to mono, resamples and cuts. One per stream; what is left over waits for the next block.

    A block that does not start where the last one stopped, or comes at another rate or channel count, starts
    afresh: filter memory and partial frame are dropped, so that no frame holds two moments.
    """

    def __init__(self, sample_rate: int) -> None:
        if sample_rate <= 0 or sample_rate % FRAMES_PER_S:
            raise ValueError(f"20 ms at {sample_rate} Hz is no whole number of samples")
        self._rate = sample_rate
        self._frame_samples = sample_rate // FRAMES_PER_S
        self._shape: tuple[int, int] | None = None  # rate and channels of the running stretch
        self._stop = 0  # of the last block, in its own samples
        self._resampler: Any = None  # soxr.ResampleStream, None where the device has the model's rate
        self._skip = 0  # samples to drop before the next frame's grid point
        self._waiting: Pcm = np.empty(0, np.int16)  # less than a frame
        self._position = 0  # of the first waiting sample, always on the grid
        self._lost_s = 0.0
        self._clock_offset_s: float | None = None

    @property
    def lost_s(self) -> float:
        """How much of the stream never came, in all."""
        return self._lost_s

    @property
    def clock_offset_s(self) -> float | None:
        """The Unix time of stream second 0 by the latest block, None where blocks carry no time."""
        return self._clock_offset_s

    def frames(self, blocks: Iterable[Block]) -> Iterator[Frame]:
        """The frames that are complete. May be called again with later blocks: nothing is forgotten in between."""
        for block in blocks:
            if len(block.pcm):
                yield from self._cut(self._resampled(block))

    def flush(self) -> Iterator[Frame]:
        """The last frames at the end of the stream, the very last one filled up with zeros where it is partial."""
        if self._shape is None:
            return
        tail = self._resampler.resample_chunk(np.empty(0, np.float32), last=True) if self._resampler else []
        yield from self._cut(_to_int16(np.asarray(tail, np.float32)))
        missing = -len(self._waiting) % self._frame_samples
        if self._position == len(self._waiting) == 0:
            missing = self._frame_samples  # a stream of less than a sample at our rate was a stream all the same
        yield from self._cut(np.zeros(missing, np.int16))
        self._shape = None

    def _resampled(self, block: Block) -> Pcm:
        shape = (block.rate, block.pcm.shape[1])
        if shape != self._shape or block.start != self._stop:
            self._start_afresh(block)
            self._shape = shape
        self._stop = block.start + len(block.pcm)
        if block.captured_at is not None:
            self._clock_offset_s = block.captured_at - self._stop / block.rate
        if self._resampler is None:
            return _mono(block.pcm)
        return _to_int16(self._resampler.resample_chunk(block.pcm.mean(axis=1, dtype=np.float32)))

    def _start_afresh(self, block: Block) -> None:
        """Place the next frame on the first grid point that the block reaches and no frame has covered."""
        stopped_s = self._stop / self._shape[0] if self._shape else 0.0
        self._lost_s += max(0.0, block.start / block.rate - stopped_s)
        self._resampler = None if block.rate == self._rate else _resampler(block.rate, self._rate)
        begins = -(-block.start * self._rate // block.rate)  # rounded up: a frame never claims time before its audio
        aligned = -(-begins // self._frame_samples) * self._frame_samples
        self._position = max(aligned, self._position)
        self._skip = self._position - begins
        self._waiting = np.empty(0, np.int16)

    def _cut(self, pcm: Pcm) -> Iterator[Frame]:
        """Frames of what waited and what came; the rest waits."""
        skipped = min(self._skip, len(pcm))
        self._skip -= skipped
        joined = np.concatenate((self._waiting, pcm[skipped:]))
        whole = len(joined) // self._frame_samples
        rows = joined[: whole * self._frame_samples].reshape(whole, self._frame_samples)
        first = self._position
        self._waiting = joined[rows.size :]
        self._position += rows.size
        for number, (row, level_dbfs) in enumerate(zip(rows, _levels_dbfs(rows), strict=True)):
            start = first + number * self._frame_samples
            yield Frame(Span(start, start + self._frame_samples), row, level_dbfs)


def frames_of(blocks: Iterable[Block], sample_rate: int) -> Iterator[Frame]:
    """All frames of a stream that ends, as a recording does."""
    framer = Framer(sample_rate)
    yield from framer.frames(blocks)
    yield from framer.flush()


def _resampler(from_rate: int, to_rate: int) -> Any:
    """A streaming resampler of one channel: its first sample out is the time of its first sample in.

    float32, since for int16 soxr adds dither: the same audio would not give the same frames.
    """
    import soxr  # only where the device does not offer the model's rate

    return soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32")


def _mono(pcm: Pcm) -> Pcm:
    return pcm[:, 0] if pcm.shape[1] == 1 else _to_int16(pcm.mean(axis=1, dtype=np.float32))


def _to_int16(samples: Floats) -> Pcm:
    return np.clip(np.rint(samples), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _levels_dbfs(rows: Pcm) -> list[float]:
    """Root mean square of each row over full scale, at least SILENT_DBFS."""
    scaled = rows.astype(np.float32)
    energies: list[float] = np.vecdot(scaled, scaled).tolist()
    full = FULL_SCALE**2 * rows.shape[1]
    return [10 * log10(max(energy / full, SILENT_POWER)) for energy in energies]
