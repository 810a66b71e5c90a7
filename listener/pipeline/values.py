"""The values that pass between the stages.

Each is frozen and says which part of the stream it is about. Inside the pipeline, time is counted in samples since
the stream opened; seconds and wall-clock times appear only in `listener.messages`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

FULL_SCALE = 32768  # of 16 bits: where floats are 1
SILENT_DBFS = -100.0  # what the meter says of digital silence: 16 bits end at -96


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open interval of the stream, in samples since the stream opened."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Block:
    """PCM as a device, file or pipe delivered it, at its own rate.

    A block that does not start where the last one stopped follows a gap in the stream.
    """

    start: int  # samples at `rate` since the stream opened, including time without the device
    rate: int  # Hz
    pcm: Pcm  # (samples, channels)
    captured_at: float | None = None  # Unix time of the last sample; None for files
    full_scale: int = 32_767  # the loudest possible sample: less if the source attenuates its input


@dataclass(frozen=True, slots=True)
class Frames:
    """Consecutive 20 ms frames of mono audio at the model's rate, on the 20 ms grid of the stream."""

    start: int  # samples since the stream opened
    pcm: Pcm  # (frames, samples of a frame)
    levels_dbfs: Floats  # (frames,): root mean square over full scale, at least SILENT_DBFS

    def __len__(self) -> int:
        return len(self.pcm)

    @property
    def stop(self) -> int:
        """Index after the last sample."""
        return self.start + int(self.pcm.size)

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return int(self.pcm.shape[1])


@dataclass(frozen=True, slots=True)
class ClipContext:
    """What the gate and the level meter observed around a clip. Event times and levels come from it."""

    activity: Span  # the latest run of active frames; it may have begun before the clip
    level_dbfs: float  # the loudest 100 ms since the previous clip


@dataclass(frozen=True, slots=True)
class Clip:
    """The audio that the model sees: always the full length, contiguous, its last sample the newest one.

    `span` is the part that was really captured. If it is shorter than the clip, quiet noise fills the front.
    """

    span: Span
    samples: Floats  # (clip_samples,) in -1..1
    context: ClipContext


@dataclass(frozen=True, slots=True)
class Features:
    """The log-mel spectrogram of a clip, normalised as the model's FeatureSpec says."""

    span: Span
    mel: Floats  # (mels, columns)
    context: ClipContext


@dataclass(frozen=True, slots=True)
class Prediction:
    """Independent probabilities in the order of the bundle's labels. Several labels can be true at once.

    `frame_scores`, `embedding` and `similarity` are None if the model has no such output.
    """

    span: Span
    scores: Floats  # (labels,)
    context: ClipContext
    frame_scores: Floats | None = None  # (labels, frames): the same over time
    embedding: Floats | None = None  # (d,), unit length: similar sounds have similar embeddings
    similarity: float | None = None  # -1..1: cosine similarity to the nearest training sounds


class Gate(Protocol):
    """Decides which frames may hold a sound worth classifying.

    A gate has state: one per stream, and it must see every frame once, in order.
    """

    @property
    def floor_dbfs(self) -> float | None:
        """Background level that the gate tracks, or None."""

    def __call__(self, frames: Frames) -> Flags:
        """Return the active frames, bool (frames,)."""
