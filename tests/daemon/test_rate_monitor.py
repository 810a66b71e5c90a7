"""A live source whose audio is longer or shorter than the time in which it arrives."""

import numpy as np
import pytest

from listener.daemon.health import SourceHealth
from listener.daemon.rate_monitor import WRONG_RATE, RateMonitor
from listener.daemon.signal_faults import SignalFault
from listener.pipeline.values import Block


def fault(
    factor: float, seconds: float, *, rate: int = 16000, channels: int = 1, every_s: float = 0.1
) -> SignalFault | None:
    """What is wrong after a time in which `factor` times as much audio arrived."""
    monitor, found = RateMonitor(), None
    block = Block(0, rate, np.zeros((round(factor * every_s * rate), channels), np.int16))
    for number in range(round(seconds / every_s)):
        found = monitor(block, 1000 + number * every_s)
    return found


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2, 30])
def test_audio_in_real_time_and_recordings_are_well(factor: float) -> None:
    assert fault(factor, 20) is None


@pytest.mark.parametrize(
    ("factor", "rate", "channels", "keys"),
    [
        (3, 16000, 1, ("rate = 48000", "channels = 3")),
        (2, 16000, 2, ("rate = 32000", "channels = 4")),
        (1 / 3, 48000, 1, ("rate = 16000",)),
        (44100 / 16000, 16000, 1, ("rate = 44100",)),
        (0.7, 16000, 1, ("rate = 11025",)),
        (1.7, 16000, 1, ("Set rate,",)),
    ],
)
def test_a_wrong_rate_is_found_within_eleven_seconds_with_the_likely_key(
    factor: float, rate: int, channels: int, keys: tuple[str, ...]
) -> None:
    assert fault(factor, 9, rate=rate, channels=channels) is None
    found = fault(factor, 11, rate=rate, channels=channels)
    assert found
    assert found.name == WRONG_RATE
    assert found.sentence.startswith(f"{factor:.1f} s ")
    assert all(key in found.sentence for key in keys)


def test_a_source_with_pauses_may_deliver_less() -> None:
    assert fault(0.5, 30, every_s=1.5) is None


def test_a_burst_at_the_start_is_well() -> None:
    monitor = RateMonitor()
    burst, block = (Block(0, 16000, np.zeros((round(16000 * s), 1), np.int16)) for s in (10, 0.1))
    assert monitor(block, 0) is monitor(burst, 0.1) is None
    assert not any(monitor(block, 0.1 * number) for number in range(2, 300))


def test_it_is_over_when_the_rate_is_right() -> None:
    monitor = RateMonitor()
    fast, right = (Block(0, 16000, np.zeros((size, 1), np.int16)) for size in (4800, 1600))
    assert [monitor(fast, 0.1 * number) for number in range(110)][-1]
    assert [monitor(right, 11 + 0.1 * number) for number in range(110)][-1] is None


@pytest.mark.parametrize(
    ("samples", "live", "is_trouble"),
    [(4800, True, True), (4800, False, True), (4160, True, True), (4160, False, False), (1600, True, False)],
)
def test_a_pipe_counts_only_if_another_setting_explains_it(samples: int, live: bool, is_trouble: bool) -> None:
    now = [0.0]
    health = SourceHealth("pipe", lambda: now[0])
    block = Block(0, 16000, np.arange(samples, dtype=np.int16)[:, None] % 100)
    for number in range(120):
        now[0] = 0.1 * number
        health.check(block, live=live)
    assert bool(health.trouble) == is_trouble
