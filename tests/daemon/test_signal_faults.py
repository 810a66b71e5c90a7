"""What a microphone never gives for long: one and the same value, and samples at full scale."""

import numpy as np
import pytest

from listener.daemon.signal_faults import CANCELLING, OVERLOAD, SILENCE, SignalFault, SignalMonitor
from listener.pipeline.values import Block, Pcm
from listener.sources.pcm import amplified, full_scale
from tests.fakes import noise, pcm

RATE = 16_000
ZEROS = np.zeros(RATE // 5, np.int16)
ROOM = pcm(noise(0.2, -80))
LOUD = pcm(noise(0.2, 0))  # a third of it is over full scale


def heard(*pieces: tuple[Pcm, float]) -> list[SignalFault | None]:
    """What is said after each piece, repeated for so many seconds."""
    hearing, said = SignalMonitor(), []
    for piece, seconds in pieces:
        for _ in range(round(seconds / 0.2)):
            last = hearing(Block(0, RATE, piece[:, None]))
        said.append(last)
    return said


def test_a_quiet_room_is_well() -> None:
    assert heard((ROOM, 60)) == [None]


def test_ten_seconds_of_zeros_are_silence_and_one_sample_ends_it() -> None:
    assert heard((ZEROS, 9.6), (ZEROS, 0.6), (ROOM, 0.2)) == [None, SILENCE, None]


@pytest.mark.parametrize("offsets", [(-1,), (300,), (-1, 0), (-200, 200)])
def test_a_muted_input_that_rests_beside_zero_is_silent_too(offsets: tuple[int, ...]) -> None:
    hearing = SignalMonitor()
    muted = np.full((RATE, len(offsets)), offsets, np.int16)
    assert [hearing(Block(0, RATE, muted)) for _ in range(10)] == [None] * 9 + [SILENCE]


def test_one_that_is_stuck_at_full_scale_is_clipped_and_not_silent() -> None:
    assert heard((np.full(RATE // 5, 32_767, np.int16), 12)) == [OVERLOAD]


def test_samples_that_come_one_by_one_are_no_silence() -> None:
    hearing = SignalMonitor()
    assert {hearing(Block(0, 1, ROOM[i : i + 1, None])) for i in range(100)} == {None}


def test_pauses_of_zeros_are_none() -> None:
    assert heard(*[(ZEROS, 9), (ROOM, 0.2)] * 5) == [None] * 10


def test_one_channel_of_two_that_is_heard_is_enough() -> None:
    hearing = SignalMonitor()
    stereo = np.stack([ZEROS, ROOM], axis=1)
    assert [hearing(Block(0, RATE, stereo)) for _ in range(100)][-1] is None


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        pytest.param([ROOM, -ROOM], CANCELLING, id="the wrong way round"),
        pytest.param([ROOM, -ROOM // 2], None, id="one louder than the other"),
        pytest.param([ROOM, pcm(noise(0.2, -80, seed=1))], None, id="unlike each other"),
        pytest.param([ROOM, ZEROS[: len(ROOM)]], None, id="one off"),
        pytest.param([ROOM] * 8, None, id="eight alike"),
    ],
)
def test_channels_that_cancel_each_other_are_said_to(channels: list[Pcm], said: SignalFault | None) -> None:
    hearing, stereo = SignalMonitor(), np.stack(channels, axis=1)
    each = [hearing(Block(0, RATE, stereo)) for _ in range(52)]  # of 0.2 s
    assert (each[48], each[51]) == (None, said)


def test_samples_at_full_scale_are_an_overload_within_seconds() -> None:
    assert heard((ROOM, 3), (LOUD, 3)) == [None, OVERLOAD]


@pytest.mark.parametrize("gain_db", [-20.0, -0.1, 20.0])
def test_what_was_clipped_before_the_gain_stays_clipped(gain_db: float) -> None:
    hearing, quieter = SignalMonitor(), amplified(LOUD[:, None], gain_db)
    said = [hearing(Block(0, RATE, quieter, full_scale=full_scale(gain_db))) for _ in range(15)]  # of 0.2 s
    assert said[-1] is OVERLOAD


def test_a_peak_now_and_then_is_none() -> None:
    peak = ROOM.copy()
    peak[:10] = 32_767
    assert heard(*[(peak, 0.2), (ROOM, 2)] * 10)[-1] is None


def test_an_overload_is_over_once_there_was_none_for_long_and_pauses_are_part_of_it() -> None:
    assert heard((LOUD, 3), (ROOM, 15), (LOUD, 3), (ROOM, 27), (ROOM, 6)) == [OVERLOAD] * 4 + [None]


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_seconds_are_of_the_blocks_own_rate(rate: int) -> None:
    hearing = SignalMonitor()
    said = [hearing(Block(0, rate, np.zeros((rate, 2), np.int16))) for _ in range(10)]
    assert said == [None] * 9 + [SILENCE]
