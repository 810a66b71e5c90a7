"""Whether what a microphone gives can be what a room sounds like: not silence, nor clipped, nor lost in the mixing."""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.values import Block, Pcm

SILENT_S = 10.0  # of one value, which need not be 0: a quiet room is noise
OFFSETS = 1024  # the values of channels that are silent lie less apart
CLIPPED_SHARE = 0.01  # of the samples at full scale: a peak now and then is none
CLIPPED_S = 3.0  # in so long
CANCELLED_SHARE = 0.01  # of the power is left when channels are mixed: 1 / channels of it, where they are unlike
CANCELLED_S = 10.0  # of that
CALM_S = 30.0  # clipping is over when there was none for so long: a dog pauses between its barks
LOUDEST, QUIETEST = 32_767, -32_768


@dataclass(frozen=True, slots=True)
class SignalFault:
    """What is wrong with audio that comes: its name, a sentence with the remedy, and how long it takes to notice."""

    name: str
    sentence: str
    noticed_s: float


SILENCE = SignalFault(
    "digital silence",
    f"only digital silence for {SILENT_S:g} s: is the microphone muted or switched off?"
    " Look at its switch, and at the sound settings (alsamixer, pavucontrol)",
    SILENT_S,
)
CLIPPING = SignalFault(
    "clipping",
    f"more than {CLIPPED_SHARE:.0%} of the samples are clipped: it is too loud;"
    " turn the microphone down in the sound settings, or gain_db where it was raised, or move it away",
    CLIPPED_S,
)
CANCELLING = SignalFault(
    "cancelling",
    f"its channels cancel each other, for {CANCELLED_S:g} s: one of them is wired the wrong way round."
    " Mend the plug or cable, or turn one channel off in the sound settings (alsamixer, pavucontrol)",
    CANCELLED_S,
)


class SignalMonitor:
    """Told every block of a source, it says what is wrong with them: two reductions a block, more of many channels."""

    def __init__(self) -> None:
        self._silent_s = 0.0
        self._resting: list[int] | None = None  # the latest block, where that was silent
        self._cancelled_s = 0.0
        self._window_s = 0.0
        self._clipped_s = 0.0  # in the window
        self._clipping = False
        self._calm_s = 0.0

    def __call__(self, block: Block) -> SignalFault | None:
        """What is wrong, this block included."""
        if not len(block.pcm):
            return CLIPPING if self._clipping else None
        seconds = len(block.pcm) / block.rate
        high, low = int(block.pcm.max()), int(block.pcm.min())
        self._silent_s = self._silence(rest(block.pcm, high, low), seconds)
        self._cancelled_s = self._cancelled_s + seconds if cancel(block.pcm) else 0.0
        self._clipped_s += _clipped_share(block, high, low) * seconds
        self._window_s += seconds
        if self._window_s >= CLIPPED_S:
            self._judge_window()
        if self._silent_s >= SILENT_S:
            return SILENCE
        if self._cancelled_s >= CANCELLED_S:
            return CANCELLING
        return CLIPPING if self._clipping else None

    def _silence(self, resting: list[int] | None, seconds: float) -> float:
        """How long there is silence: a block of a single sample is at rest, and says nothing but beside the others."""
        goes_on, self._resting = resting == self._resting, resting
        if resting is None:
            return 0.0
        return seconds + (self._silent_s if goes_on else 0.0)

    def _judge_window(self) -> None:
        clipped = self._clipped_s > CLIPPED_SHARE * self._window_s
        self._calm_s = 0.0 if clipped else self._calm_s + self._window_s
        self._clipping = clipped or (self._clipping and self._calm_s < CALM_S)
        self._window_s = self._clipped_s = 0.0


def rest(pcm: Pcm, high: int, low: int) -> list[int] | None:
    """The one value of each channel, from the extremes of all; None where one moves or is at full scale."""
    if not len(pcm) or high >= LOUDEST or low <= QUIETEST or high - low >= OFFSETS:
        return None
    if high != low and (pcm.shape[1] == 1 or (pcm != pcm[0]).any()):
        return None
    values: list[int] = pcm[0].tolist()
    return values


def cancel(pcm: Pcm) -> bool:
    """Whether channels (samples, channels), mixed to one as `listener.pipeline.framer` does, leave next to nothing."""
    if pcm.shape[1] == 1:
        return False
    channels = pcm.astype(np.float32)
    mixed = channels.mean(axis=1)
    power, left = float(np.vdot(channels, channels)) / pcm.shape[1], float(np.vdot(mixed, mixed))
    return bool(left < CANCELLED_SHARE * power)


def _clipped_share(block: Block, high: int, low: int) -> float:
    full = block.full_scale
    if high < full and low > -full:
        return 0.0
    return int(((block.pcm >= full) | (block.pcm <= -full)).sum()) / block.pcm.size
