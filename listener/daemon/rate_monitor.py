"""Compares arriving audio with the clock: a wrong sample rate, channel count or format shows there."""

from listener.daemon.signal_faults import SignalFault
from listener.pipeline.values import Block

WINDOW_S = 5.0
LOW, HIGH = 0.8, 1.25  # seconds of audio per second that are well
HIGHEST = 20.0  # more is no wrong setting but a recording
STEADY = 0.1  # two windows of a steady stream differ by less, of the factor
EXACT = 0.03  # a wrong setting shows as a factor as near as this to that of another rate or channel count
PAUSE_S = 1.0  # a stream with pauses may deliver less
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)  # Hz, that devices use
NEAR = 0.06
WRONG_RATE = "wrong rate"


class RateMonitor:
    """Takes every block of a source with its arrival.

    A pipe may also carry a recording, which arrives at any speed: only a factor that fits another setting counts.
    """

    def __init__(self) -> None:
        self._fault: SignalFault | None = None
        self._began: float | None = None
        self._latest = self._audio_s = self._longest_pause_s = 0.0
        self._before: float | None = None  # the factor of the window before

    def __call__(self, block: Block, now: float, *, is_device: bool = True) -> SignalFault | None:
        """Return what is wrong, this block included.

        Args:
            block: Audio that has just arrived.
            now: A monotonic clock, in seconds.
            is_device: Whether the audio surely comes from a device.
        """
        if self._began is None:
            self._restart(now)
            return self._fault
        self._longest_pause_s = max(self._longest_pause_s, now - self._latest)
        self._latest = now
        self._audio_s += len(block.pcm) / block.rate
        if now - self._began >= WINDOW_S:
            self._judge(self._audio_s / (now - self._began), block, is_device=is_device)
            self._restart(now)
        return self._fault

    def _restart(self, now: float) -> None:
        self._began, self._latest = now, now
        self._audio_s = self._longest_pause_s = 0.0

    def _judge(self, factor: float, block: Block, *, is_device: bool) -> None:
        before, self._before = self._before, factor
        is_steady = before is not None and abs(before - factor) < STEADY * factor
        is_wrong = HIGH < factor < HIGHEST or (factor < LOW and self._longest_pause_s < PAUSE_S)
        if not is_wrong or not (is_device or _fits(factor, block)):
            self._fault = None
        elif is_steady and self._fault is None:
            self._fault = SignalFault(WRONG_RATE, _sentence(factor, block), 2 * WINDOW_S)


def _fits(factor: float, block: Block) -> bool:
    """Tell whether another rate or channel count explains a factor."""
    actual = factor * block.rate
    return any(abs(rate - actual) < EXACT * actual for rate in RATES) or abs(round(factor) - factor) < EXACT


def _sentence(factor: float, block: Block) -> str:
    actual = factor * block.rate
    rate = min(RATES, key=lambda each: abs(each - actual))
    keys = f"rate = {rate}" if abs(rate - actual) < NEAR * actual else "rate"
    if abs(round(factor) - factor) < NEAR * factor and round(factor) > 1:
        keys += f", or channels = {round(factor) * block.pcm.shape[1]}"
    return (
        f"{factor:.1f} s of audio arrive each second, so it is heard at the wrong speed: its rate, channels or format"
        f" is not as declared. Set {keys}, as the program writes it"
    )
