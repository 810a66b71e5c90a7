"""Cuts the stream into clips while there is something to classify."""

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from listener.base.schema import Meta, Section
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Clip, ClipContext, Flags, Floats, Frames, Pcm, Span

PADDING_DBFS = -80.0  # noise in front of a clip that is shorter than the window; training pads alike
PAUSE_S = 0.3  # a shorter pause does not separate two runs of activity
LOUDEST_FRAMES = 5  # window of the level meter, 100 ms


class ClipConfig(Section, frozen=True):
    """How the stream is cut while the gate is open."""

    hop_s: Annotated[float, Meta(ge=0.1, le=3, description="a clip is classified this often")] = 0.48
    first_s: Annotated[float, Meta(ge=0.02, le=3, description="the first clip ends this long after the gate opens")] = (
        0.25
    )


class Clipper:
    """Cuts clips from frames and the gate's flags.

    The first clip is cut `first_s` after the gate opens and reaches back before it. Then comes one every `hop_s`,
    and one more when the gate closes (`hang_over_s` after the last active frame), at a gap, and at the end: every
    active frame is in some clip. A clip never contains audio from both sides of a gap.
    """

    def __init__(self, spec: FeatureSpec, config: ClipConfig, hang_over_s: float) -> None:
        self._rate = spec.sample_rate
        self.reconfigure(config, hang_over_s)
        self._recent = _Recent(spec.clip_samples)
        self._activity = _Activity(round(PAUSE_S * spec.sample_rate))
        self._meter = _LevelMeter()
        self._next_cut: int | None = None  # None while closed
        self._last_wanted = 0  # end of the last frame that kept it open
        self._last_cut = 0
        self.frames = 0
        self.open_frames = 0

    def reconfigure(self, config: ClipConfig, hang_over_s: float) -> None:
        """Use other times from the next frame on."""
        self._first = round(config.first_s * self._rate)
        self._hop = round(config.hop_s * self._rate)
        self._hang_over = round(hang_over_s * self._rate)

    @property
    def open(self) -> bool:
        """Whether clips are being cut."""
        return self._next_cut is not None

    def push(self, frames: Frames, active: Flags, held: Callable[[], bool]) -> Iterator[Clip]:
        """Yield the clips that some frames complete.

        Args:
            frames: The next frames of the stream.
            active: The gate's flags, (frames,).
            held: Whether an event is under way and must be observed until it ends. Asked again after each clip.
        """
        if frames.start != self._recent.stop:
            yield from self.finish()
            self._recent.restart(frames.start)
        done = 0
        if self.open or held() or active.any():
            for number, is_active in enumerate(active.tolist()):
                stop = frames.start + (number + 1) * frames.frame_samples
                if is_active:
                    self._activity.extend(stop - frames.frame_samples, stop)
                if self._is_due(stop - frames.frame_samples, stop, wanted=is_active or held()):
                    self._append(frames, done, number + 1)
                    done = number + 1
                    yield self._clip()
                if self.open and stop - self._last_wanted >= self._hang_over and stop > self._last_wanted:
                    self._append(frames, done, number + 1)
                    done = number + 1
                    yield from self.finish()
                self.open_frames += self.open
        self._append(frames, done, len(frames))
        self.frames += len(frames)

    def finish(self) -> Iterator[Clip]:
        """Yield the last clip if one is under way, and close."""
        if self.open and self._last_cut < self._recent.stop:
            yield self._clip()
        self._next_cut = None

    def _is_due(self, start: int, stop: int, *, wanted: bool) -> bool:
        """Open if a frame asks for it. Returns whether a clip is to be cut after this frame."""
        if wanted:
            self._last_wanted = stop
            if self._next_cut is None:
                self._next_cut = start + self._first
        if self._next_cut is None or stop < self._next_cut:
            return False
        self._next_cut += self._hop
        return True

    def _append(self, frames: Frames, first: int, last: int) -> None:
        if first < last:
            self._recent.append(frames.pcm[first:last].reshape(-1))
            self._meter.add(frames.levels_dbfs[first:last])

    def _clip(self) -> Clip:
        self._last_cut = self._recent.stop
        context = ClipContext(self._activity.span, self._meter.take_dbfs())
        return Clip(self._recent.span, self._recent.samples(), context)


class _Recent:
    """The last contiguous samples, as many as a clip holds."""

    def __init__(self, clip_samples: int) -> None:
        self._clip_samples = clip_samples
        self._buffer = np.zeros(2 * clip_samples, dtype=np.int16)  # room to append before anything is moved
        self._filled = 0
        self._padding = _quiet_noise(clip_samples)
        self.stop = 0

    @property
    def span(self) -> Span:
        return Span(self.stop - min(self._filled, self._clip_samples), self.stop)

    def restart(self, position: int) -> None:
        self._filled = 0
        self.stop = position

    def append(self, pcm: Pcm) -> None:
        self.stop += len(pcm)
        pcm = pcm[-self._clip_samples :]
        if self._filled + len(pcm) > len(self._buffer):
            kept = min(self._filled, self._clip_samples)
            self._buffer[:kept] = self._buffer[self._filled - kept : self._filled]
            self._filled = kept
        self._buffer[self._filled : self._filled + len(pcm)] = pcm
        self._filled += len(pcm)

    def samples(self) -> Floats:
        recent = self._buffer[max(0, self._filled - self._clip_samples) : self._filled]
        clip = self._padding.copy()
        np.divide(recent, FULL_SCALE, out=clip[len(clip) - len(recent) :], dtype=np.float32, casting="unsafe")
        return clip


class _Activity:
    """The latest run of active frames, with short pauses bridged."""

    def __init__(self, pause: int) -> None:
        self._pause = pause
        self._start = self._stop = 0

    @property
    def span(self) -> Span:
        return Span(self._start, self._stop)

    def extend(self, start: int, stop: int) -> None:
        if self._stop == self._start or start - self._stop >= self._pause:
            self._start = start
        self._stop = stop


class _LevelMeter:
    """The loudest 100 ms since it was last read."""

    def __init__(self) -> None:
        self._powers = np.zeros(LOUDEST_FRAMES - 1)
        self._loudest = 0.0

    def add(self, levels_dbfs: Floats) -> None:
        powers = np.concatenate((self._powers, 10 ** (levels_dbfs.astype(np.float64) / 10)))
        self._powers = powers[1 - LOUDEST_FRAMES :]
        sums = np.convolve(powers, np.ones(LOUDEST_FRAMES), "valid")
        self._loudest = max(self._loudest, float(sums.max()) / LOUDEST_FRAMES)

    def take_dbfs(self) -> float:
        loudest, self._loudest = self._loudest, 0.0
        return max(SILENT_DBFS, float(10 * np.log10(loudest + 1e-10)))


def _quiet_noise(count: int) -> Floats:
    noise = np.random.default_rng(0).standard_normal(count, dtype=np.float32)
    return noise * np.float32(10 ** (PADDING_DBFS / 20))
