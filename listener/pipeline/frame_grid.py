"""Locates sounds in the stream by frame scores, more closely than by the 3 s clip they came with."""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats, Span

BRIDGE_S = 0.6  # shorter pauses do not separate sounds: the beeps in a group of a T3 alarm are 0.5 s apart
SETTLED_S = 0.5  # with less audio after a frame in its clip, the next clip may score it differently


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Where the frame scores of a clip lie. All in samples."""

    clip: int  # length of a clip
    centre: int  # of the first frame, from the clip's start
    step: int  # from one frame to the next, and the length of each
    bridge: int  # shorter pauses do not separate sounds

    def sounds(self, scores: Floats, threshold: float, captured: Span, after: int) -> list[Span]:
        """Return the spans whose frames are above a threshold, in order, with short pauses bridged.

        Args:
            scores: Frame scores of a clip, float32 (frames,).
            threshold: What a frame with the sound exceeds.
            captured: The part of the clip that is not padding.
            after: Frames before this position are ignored.
        """
        start = max(captured.start, after)
        centres = captured.stop - self.clip + self.centre + self.step * np.flatnonzero(scores > threshold)
        centres = centres[centres >= start]
        if not len(centres):
            return []
        half = self.step // 2
        parted = np.flatnonzero(np.diff(centres) - self.step >= self.bridge) + 1
        return [
            Span(max(start, int(part[0]) - half), min(captured.stop, int(part[-1]) + half))
            for part in np.split(centres, parted)
        ]


def frame_grid(spec: FeatureSpec, frame_s: float, first_frame_s: float | None = None) -> FrameGrid | None:
    """The grid of a model whose frame scores are `frame_s` apart; None if it has none (0).

    `first_frame_s` is the centre of the first frame from the clip's start; None: that of the first mel column.
    """
    if not frame_s:
        return None
    step, bridge = round(frame_s * spec.sample_rate), round(BRIDGE_S * spec.sample_rate)
    centre = spec.window // 2 if first_frame_s is None else round(first_frame_s * spec.sample_rate)
    return FrameGrid(spec.clip_samples, centre, step, bridge)
