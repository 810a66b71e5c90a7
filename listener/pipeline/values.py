"""The values that pass between the stages.

Each is frozen and carries the span of stream it speaks about. Inside the program time is counted in
samples since the stream opened; seconds and wall-clock times appear only in `wire`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Floats = NDArray[np.float32]

FULL_SCALE = 32768  # of 16 bits: where floats are 1
SILENT_DBFS = -100.0  # what the meter says of digital silence: 16 bits end at -96


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of stream, in samples since the stream opened."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Block:
    """What a device, file or pipe gave: PCM at its own rate, before anything is done to it.

    `start` counts samples at `rate` since the stream opened, time in which the device was away
    included. `captured_at` is the Unix time of the last sample, None where there is no such time (files).
    `full_scale` is what the loudest sample can be: less, where what came in was made quieter.
    """

    start: int
    rate: int
    pcm: Pcm  # (samples, channels)
    captured_at: float | None = None
    full_scale: int = 32_767


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of mono audio at the model's rate, on the 20 ms grid of the stream."""

    span: Span
    pcm: Pcm  # (samples,)
    level_dbfs: float  # root mean square over full scale, at least SILENT_DBFS


@dataclass(frozen=True, slots=True)
class ClipContext:
    """What the gate and the meter made of a clip, for the event that may come of it."""

    activity: Span  # the latest stretch in which the gate itself heard something; it may have begun before the clip
    level_dbfs: float  # the loudest 100 ms since the clip before


@dataclass(frozen=True, slots=True)
class Clip:
    """What the model is shown: always whole, always contiguous, its last sample the newest heard.

    `span` is what was really heard. Where that is less than the clip, the front of `samples` is quiet noise.
    """

    span: Span
    samples: Floats  # (clip_samples,) in -1..1
    context: ClipContext


@dataclass(frozen=True, slots=True)
class Features:
    """A log-mel spectrogram of a clip, normalised as the model's FeatureSpec says."""

    span: Span
    mel: Floats  # (mels, columns)
    context: ClipContext


@dataclass(frozen=True, slots=True)
class Prediction:
    """Independent probabilities, in the order of the bundle's labels: sounds add up.

    `frame_scores`, `embedding` and `similarity` are None where the model has none.
    """

    span: Span
    scores: Floats  # (labels,)
    context: ClipContext
    frame_scores: Floats | None = None  # (labels, frames): the same, moment by moment
    embedding: Floats | None = None  # (d,), unit length: alike for sounds that are alike
    similarity: float | None = None  # -1..1: how like the nearest sounds of training the clip is


class Gate(Protocol):
    """Whether a frame may hold something worth classifying. Stateful: one per stream, each frame once."""

    @property
    def floor_dbfs(self) -> float | None: ...  # the background it has tracked, None where it tracks none

    def __call__(self, frame: Frame) -> bool: ...
