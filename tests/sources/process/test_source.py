"""The audio of one run after another lies on one stream, absences counted by the clock."""

import numpy as np

from listener.sources.process.source import Chunk, Timeline


class Clocks:
    """Both clocks of a timeline, moved by the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept_s = 0.0

    def timeline(self) -> Timeline:
        return Timeline(lambda: self.now, lambda: self.slept_s)


def chunk(index: int, samples: int = 1600, rate: int = 16000) -> Chunk:
    return Chunk(index, rate, np.zeros((samples, 1), np.int16), 0.0)


def test_a_stream_begins_at_zero_wherever_the_program_begins_to_count() -> None:
    assert Clocks().timeline().place(chunk(480)) == 0


def test_one_run_goes_on_by_its_own_count_whatever_the_clock_says() -> None:
    clocks = Clocks()
    timeline = clocks.timeline()
    timeline.place(chunk(0))
    clocks.now += 0.7
    assert timeline.place(chunk(1600)) == 1600


def test_samples_that_the_capture_process_dropped_are_a_gap() -> None:
    timeline = Clocks().timeline()
    timeline.place(chunk(0))
    assert timeline.place(chunk(4800)) == 4800


def test_the_next_run_begins_where_the_clock_says() -> None:
    clocks = Clocks()
    timeline = clocks.timeline()
    timeline.place(chunk(0))
    timeline.interrupt()
    clocks.now += 5.1
    assert timeline.place(chunk(0)) == 1600 + 5 * 16000


def test_another_run_is_always_a_gap() -> None:
    timeline = Clocks().timeline()
    timeline.place(chunk(0))
    timeline.interrupt()
    assert timeline.place(chunk(0)) == 1601


def test_a_run_at_another_rate_goes_on_at_the_same_second() -> None:
    clocks = Clocks()
    timeline = clocks.timeline()
    timeline.place(chunk(0, samples=16000))
    timeline.interrupt()
    clocks.now += 2.0
    assert timeline.place(chunk(0, samples=48000, rate=48000)) == 48000 + 48000


def test_a_machine_that_slept_leaves_a_gap_though_the_program_saw_none() -> None:
    clocks = Clocks()
    timeline = clocks.timeline()
    timeline.place(chunk(0))
    clocks.now += 3600.1
    clocks.slept_s += 3600.0
    assert timeline.place(chunk(1600)) == 1600 + 3600 * 16000
