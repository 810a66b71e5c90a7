"""What a sink is given: labels, groups, sources, score, hours, cool-down, phases; and always the rest of an event."""

from datetime import datetime

import pytest

from listener.routing.filters import Filter, FilterConfig, parse_hours
from tests.raising import raises
from tests.sinks.messages import event

GROUPS = {"animals": ["dog_bark", "rooster"]}


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def admits(config: FilterConfig, *, hour: int = 12, clock: Clock | None = None) -> Filter:
    return Filter(config, GROUPS, clock=clock or Clock(), now=lambda: datetime(2026, 1, 1, hour, 30))


def test_a_filter_that_says_nothing_lets_everything_pass() -> None:
    assert all(admits(FilterConfig())(event(phase=phase)) for phase in ("start", "update", "end"))


@pytest.mark.parametrize(
    ("config", "passes"),
    [
        (FilterConfig(labels=("dog_bark",)), True),
        (FilterConfig(labels=("animals",)), True),
        (FilterConfig(labels=("siren",)), False),
        (FilterConfig(sources=("kitchen",)), True),
        (FilterConfig(sources=("attic",)), False),
        (FilterConfig(min_score=0.9), True),
        (FilterConfig(min_score=0.98), False),
        (FilterConfig(hours="12:00-13:00"), True),
        (FilterConfig(hours="22:00-06:00"), False),
        (FilterConfig(hours="12:31-12:30"), False),
    ],
)
def test_each_wish_is_heeded(config: FilterConfig, passes: bool) -> None:
    assert admits(config)(event()) is passes


@pytest.mark.parametrize(("hour", "passes"), [(21, False), (22, True), (23, True), (0, True), (5, True), (6, False)])
def test_hours_may_go_over_midnight(hour: int, passes: bool) -> None:
    assert admits(FilterConfig(hours="22:00-06:00"), hour=hour)(event()) is passes


def test_an_event_that_becomes_loud_is_taken_then_and_to_its_end() -> None:
    takes = admits(FilterConfig(min_score=0.8))
    assert not takes(event(peak=0.6))
    assert takes(event(phase="update", seq=1, peak=0.9))
    assert takes(event(phase="end", seq=2, peak=0.9))


def test_one_that_was_taken_is_taken_to_its_end_whatever_the_hour() -> None:
    hour = 12
    takes = Filter(FilterConfig(hours="12:00-13:00"), {}, now=lambda: datetime(2026, 1, 1, hour, 30))
    assert takes(event())
    hour = 13
    assert takes(event(phase="end"))
    assert not takes(event(1))


def test_one_that_goes_on_when_its_hours_begin_is_taken_then_and_counts_as_begun() -> None:
    hour = 21
    takes = Filter(FilterConfig(hours="22:00-06:00", phases=("start",)), {}, now=lambda: datetime(2026, 1, 1, hour, 30))
    assert not takes(event())
    hour = 22
    assert [takes(event(phase=phase)) for phase in ("update", "update", "end")] == [True, False, False]


def test_phases_leave_out_lines_and_no_events() -> None:
    takes = admits(FilterConfig(phases=("end",), cooldown_s=60))
    assert [takes(event(phase=phase)) for phase in ("start", "update", "end")] == [False, False, True]


@pytest.mark.parametrize("sure_at", ["update", "end"])
def test_the_line_at_which_an_event_becomes_sure_counts_as_its_start(sure_at: str) -> None:
    takes = admits(FilterConfig(phases=("start",), min_score=0.9))
    peaks = {"start": 0.75, "update": 0.99 if sure_at == "update" else 0.8, "end": 0.99}
    given = [phase for phase, peak in peaks.items() if takes(event(phase=phase, peak=peak))]
    assert given == [sure_at]


def test_a_cool_down_is_for_one_label_of_one_source_and_refuses_the_whole_event() -> None:
    clock = Clock()
    takes = admits(FilterConfig(cooldown_s=60), clock=clock)
    assert takes(event(0))
    assert takes(event(1, label="rain"))
    assert takes(event(2, source="attic"))
    clock.s += 59
    assert not takes(event(3))
    clock.s += 2
    assert not takes(event(3, phase="update"))
    assert not takes(event(3, phase="end"))
    assert takes(event(4))


@pytest.mark.parametrize(
    "hours",
    ["22", "22:00-", "10-25:00", "a-b", "1:00-2:00-3:00", "22:00Z-06:00Z", "22:00+01:00-06:30+01:00", "24:00-06:00"],
)
def test_hours_that_are_none_are_named(hours: str) -> None:
    with raises("filter-hours"):
        parse_hours(hours)


def test_hours_that_end_as_they_begin_are_refused() -> None:
    with raises("filter-hours"):
        parse_hours("08:00-08:00")


@pytest.mark.parametrize(
    ("hours", "passes"),
    [("12:30-13:00", True), ("12:00-12:30", False), ("12:30-06:00", True), ("22:00-12:30", False)],
)
def test_hours_begin_with_their_first_minute_and_end_before_their_last(hours: str, passes: bool) -> None:
    assert admits(FilterConfig(hours=hours))(event()) is passes


def test_a_cool_down_ends_to_the_second() -> None:
    clock = Clock()
    takes = admits(FilterConfig(cooldown_s=60), clock=clock)
    assert takes(event(0))
    clock.s += 59.5
    assert not takes(event(1))
    clock.s += 0.5
    assert takes(event(2))


def test_a_score_as_high_as_asked_for_is_enough() -> None:
    assert admits(FilterConfig(min_score=0.8))(event(peak=0.8))


def test_a_sink_that_keeps_the_state_of_events_gets_their_ends_whatever_the_phases() -> None:
    passes = Filter(FilterConfig(phases=("start",)), {}, needs_ends=True)
    assert [passes(event(phase=phase)) for phase in ("start", "update", "end")] == [True, False, True]
