"""Detects audio that a working microphone in a room would not deliver: silence, overload, cancelling channels."""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.values import Block, Pcm

SILENT_S = 10.0  # of a constant value, not necessarily 0: a quiet room is never constant
OFFSETS = 1024  # the constant values of silent channels differ by less
OVERLOAD_SHARE = 0.01  # of the samples at full scale: fewer are single peaks
OVERLOAD_S = 3.0  # the window in which they are counted
CANCELLED_SHARE = 0.01  # of the power remains after mixing; of unrelated channels, 1 / channels would
CANCELLED_S = 10.0
CALM_S = 30.0  # an overload is over after this time without one: a dog pauses between its barks
LOUDEST, QUIETEST = 32_767, -32_768


@dataclass(frozen=True, slots=True)
class SignalFault:
    """A fault of a signal.

    Attributes:
        name: What it is called in the log.
        sentence: What is wrong and what to do about it, for a person.
        noticed_s: How long it has lasted when it is noticed.
    """

    name: str
    sentence: str
    noticed_s: float


SILENCE = SignalFault(
    "digital silence",
    f"only digital silence for {SILENT_S:g} s: the microphone may be muted or switched off."
    " Check its switch and the sound settings (alsamixer, pavucontrol)",
    SILENT_S,
)
OVERLOAD = SignalFault(
    "overload",
    f"more than {OVERLOAD_SHARE:.0%} of the samples are at full scale: the input is overloaded."
    " Lower the microphone in the sound settings, lower gain_db if it was raised, or move the microphone",
    OVERLOAD_S,
)
CANCELLING = SignalFault(
    "cancelling",
    f"the channels cancelled each other for {CANCELLED_S:g} s: one of them has the wrong polarity."
    " Repair the plug or cable, or choose one channel",
    CANCELLED_S,
)


class SignalMonitor:
    """Watches the blocks of a source for signal faults. It costs two reductions a block, more with many channels."""

    def __init__(self) -> None:
        self._silent_s = 0.0
        self._resting: list[int] | None = None  # the constant values of the latest block, if it was silent
        self._cancelled_s = 0.0
        self._window_s = 0.0
        self._overload_s = 0.0  # in the window
        self._overloaded = False
        self._calm_s = 0.0

    def __call__(self, block: Block) -> SignalFault | None:
        """Return the fault of the signal, including this block; None if there is none."""
        if not len(block.pcm):
            return OVERLOAD if self._overloaded else None
        seconds = len(block.pcm) / block.rate
        high, low = int(block.pcm.max()), int(block.pcm.min())
        self._silent_s = self._silence(rest(block.pcm, high, low), seconds)
        self._cancelled_s = self._cancelled_s + seconds if cancel(block.pcm) else 0.0
        self._overload_s += _overload_share(block, high, low) * seconds
        self._window_s += seconds
        if self._window_s >= OVERLOAD_S:
            self._judge_window()
        if self._silent_s >= SILENT_S:
            return SILENCE
        if self._cancelled_s >= CANCELLED_S:
            return CANCELLING
        return OVERLOAD if self._overloaded else None

    def _silence(self, resting: list[int] | None, seconds: float) -> float:
        """How long the signal has been constant, over block boundaries: a block may be a single sample."""
        goes_on, self._resting = resting == self._resting, resting
        if resting is None:
            return 0.0
        return seconds + (self._silent_s if goes_on else 0.0)

    def _judge_window(self) -> None:
        overloaded = self._overload_s > OVERLOAD_SHARE * self._window_s
        self._calm_s = 0.0 if overloaded else self._calm_s + self._window_s
        self._overloaded = overloaded or (self._overloaded and self._calm_s < CALM_S)
        self._window_s = self._overload_s = 0.0


def rest(pcm: Pcm, high: int, low: int) -> list[int] | None:
    """Return the constant value of each channel; None if any channel moves or is at full scale.

    Args:
        pcm: (samples, channels).
        high: Its maximum.
        low: Its minimum.
    """
    if not len(pcm) or high >= LOUDEST or low <= QUIETEST or high - low >= OFFSETS:
        return None
    if high != low and (pcm.shape[1] == 1 or (pcm != pcm[0]).any()):
        return None
    values: list[int] = pcm[0].tolist()
    return values


def cancel(pcm: Pcm) -> bool:
    """Return whether almost nothing is left when the channels of (samples, channels) are mixed as the framer does."""
    if pcm.shape[1] == 1:
        return False
    channels = pcm.astype(np.float32)
    mixed = channels.mean(axis=1)
    power, left = float(np.vdot(channels, channels)) / pcm.shape[1], float(np.vdot(mixed, mixed))
    return bool(left < CANCELLED_SHARE * power)


def _overload_share(block: Block, high: int, low: int) -> float:
    full = block.full_scale
    if high < full and low > -full:
        return 0.0
    return int(((block.pcm >= full) | (block.pcm <= -full)).sum()) / block.pcm.size
