"""Where in the stream a sound is, by the model's frame scores: much closer than the 3 s window that they came with."""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats, Span

BRIDGE_S = 0.6  # a shorter pause does not part a sound: the gaps in a T3 alarm's group of beeps are 0.5 s
SETTLED_S = 0.5  # a frame with less after it in its clip may be seen otherwise by the next


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Where the frame scores of a clip lie. All in samples."""

    clip: int  # length of a clip
    centre: int  # of the first frame, from the clip's start
    step: int  # from one frame to the next; each covers as much
    bridge: int  # a shorter pause does not part a sound

    def sounds(self, scores: Floats, threshold: float, heard: Span, after: int) -> list[Span]:
        """The stretches whose frames are over the threshold, in order, short pauses bridged.

        `scores` is float32 (frames,) of a clip of which `heard` was really heard: frames in the padding before
        it say nothing. Neither do those before `after`.
        """
        start = max(heard.start, after)
        centres = heard.stop - self.clip + self.centre + self.step * np.flatnonzero(scores > threshold)
        centres = centres[centres >= start]
        if not len(centres):
            return []
        half = self.step // 2
        parted = np.flatnonzero(np.diff(centres) - self.step >= self.bridge) + 1
        return [
            Span(max(start, int(part[0]) - half), min(heard.stop, int(part[-1]) + half))
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
