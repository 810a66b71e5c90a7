"""Cuts the stream into clips while there is something to hear."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from listener.base.schema import Meta, Section
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Clip, ClipContext, Floats, Frame, Span

PADDING_DBFS = -80.0  # in front of a clip of which less than all has been heard; training pads alike
PAUSE_S = 0.3  # a shorter pause does not part two stretches of activity
LOUDEST_FRAMES = 5  # the meter's window, 100 ms


class ClipConfig(Section, frozen=True):
    """How the stream is cut while the gate is open."""

    hop_s: Annotated[float, Meta(ge=0.1, le=3, description="a clip is classified this often")] = 0.5
    first_s: Annotated[float, Meta(ge=0.02, le=3, description="the first one comes so long after the gate opened")] = (
        0.25
    )


class Clipper:
    """Frames and what the gate said of them in, clips out.

    The first clip is cut `first_s` after the gate opens, its front filled by what was heard before; then one
    every `hop_s`; and one more when it closes (`hang_over_s` after the last active frame), at a gap, and at
    the end, so that every moment of which the gate said "active" is in some clip. Two moments that did not
    follow each other are never in one clip.
    """

    def __init__(self, spec: FeatureSpec, config: ClipConfig, hang_over_s: float) -> None:
        self._rate = spec.sample_rate
        self.reconfigure(config, hang_over_s)
        self._recent = _Recent(spec.clip_samples)
        self._activity = _Activity(round(PAUSE_S * spec.sample_rate))
        self._meter = _Meter()
        self._next_cut: int | None = None  # None while closed
        self._last_wanted = 0  # end of the last frame that wanted the gate open
        self._last_cut = 0
        self.frames = 0
        self.open_frames = 0

    def reconfigure(self, config: ClipConfig, hang_over_s: float) -> None:
        """Cut by other times from the next frame on."""
        self._first = round(config.first_s * self._rate)
        self._hop = round(config.hop_s * self._rate)
        self._hang_over = round(hang_over_s * self._rate)

    @property
    def open(self) -> bool:
        """Whether clips are being cut."""
        return self._next_cut is not None

    def push(self, frame: Frame, *, active: bool, held: bool) -> Iterator[Clip]:
        """The clips that this frame completes. `held`: an event is under way and must be seen to end."""
        if frame.span.start != self._recent.stop:
            yield from self.finish()
            self._recent.restart(frame.span.start)
        self._recent.append(frame)
        self._meter.hear(frame.level_dbfs)
        if active:
            self._activity.extend(frame.span)
        yield from self._cut(frame.span, wanted=active or held)
        self.frames += 1
        self.open_frames += self.open

    def finish(self) -> Iterator[Clip]:
        """The last clip, where one was under way. The clipper is closed afterwards."""
        if self.open and self._last_cut < self._recent.stop:
            yield self._clip()
        self._next_cut = None

    def _cut(self, span: Span, *, wanted: bool) -> Iterator[Clip]:
        if wanted:
            self._last_wanted = span.stop
            if self._next_cut is None:
                self._next_cut = span.start + self._first
        if self._next_cut is None:
            return
        if span.stop >= self._next_cut:
            self._next_cut += self._hop
            yield self._clip()
        if not wanted and span.stop - self._last_wanted >= self._hang_over:
            yield from self.finish()

    def _clip(self) -> Clip:
        self._last_cut = self._recent.stop
        return Clip(
            self._recent.span,
            self._recent.samples(),
            ClipContext(self._activity.span, self._meter.take()),
        )


class _Recent:
    """The last samples heard without a break, as many as a clip holds."""

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

    def append(self, frame: Frame) -> None:
        if self._filled + len(frame.pcm) > len(self._buffer):
            kept = self._clip_samples
            self._buffer[:kept] = self._buffer[self._filled - kept : self._filled]
            self._filled = kept
        self._buffer[self._filled : self._filled + len(frame.pcm)] = frame.pcm
        self._filled += len(frame.pcm)
        self.stop = frame.span.stop

    def samples(self) -> Floats:
        heard = self._buffer[max(0, self._filled - self._clip_samples) : self._filled]
        clip = self._padding.copy()
        np.divide(heard, FULL_SCALE, out=clip[len(clip) - len(heard) :], dtype=np.float32, casting="unsafe")
        return clip


class _Activity:
    """The latest stretch of active frames, short pauses bridged."""

    def __init__(self, pause: int) -> None:
        self._pause = pause
        self.span = Span(0, 0)

    def extend(self, span: Span) -> None:
        goes_on = len(self.span) and span.start - self.span.stop < self._pause
        self.span = Span(self.span.start if goes_on else span.start, span.stop)


class _Meter:
    """The loudest 100 ms since it was last asked."""

    def __init__(self) -> None:
        self._powers = [0.0] * LOUDEST_FRAMES
        self._loudest = 0.0

    def hear(self, level_dbfs: float) -> None:
        self._powers = [*self._powers[1:], 10 ** (level_dbfs / 10)]
        self._loudest = max(self._loudest, sum(self._powers) / LOUDEST_FRAMES)

    def take(self) -> float:
        loudest, self._loudest = self._loudest, 0.0
        return max(SILENT_DBFS, float(10 * np.log10(loudest + 1e-10)))


def _quiet_noise(count: int) -> Floats:
    noise = np.random.default_rng(0).standard_normal(count, dtype=np.float32)
    return noise * np.float32(10 ** (PADDING_DBFS / 20))
