"""The times of audio that arrives by a pipe."""

import pytest

from listener.sources.stream import ArrivalClock


class Clocks:
    """Both clocks of an arrival, moved by the test."""

    def __init__(self) -> None:
        self.wall, self.now = 1_000_000.0, 100.0

    def arrival(self) -> ArrivalClock:
        return ArrivalClock(lambda: self.wall, lambda: self.now)

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.now += seconds


@pytest.mark.parametrize("ppm", [-100, 0, 100])
def test_a_sample_clock_that_drifts_takes_no_stamp_from_the_wall_clock(ppm: int) -> None:
    clocks = Clocks()
    arrival = clocks.arrival()
    clocks.pass_s(30 * 86_400)
    assert arrival.captured_at(30 * 86_400 * (1 + ppm / 1e6)) == clocks.wall


def test_a_clock_that_is_set_back_leaves_no_stamp_in_the_future() -> None:
    clocks = Clocks()
    arrival = clocks.arrival()
    clocks.pass_s(60)
    clocks.wall -= 3600
    assert arrival.captured_at(60) == clocks.wall


def test_what_comes_faster_than_time_goes_on_from_its_beginning() -> None:
    clocks = Clocks()
    arrival = clocks.arrival()
    clocks.pass_s(2)
    assert arrival.captured_at(600) == pytest.approx(1_000_600, abs=0.01)
