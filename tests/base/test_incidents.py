"""Trouble is told once when it begins and once when it is over, however often it comes."""

import logging

import pytest

from listener.base.incidents import IncidentLog, IncidentTracker, Summary


class Time:
    """A clock that is moved by the test, and the episodes that go by it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.episodes = IncidentTracker(10.0, lambda: self.now)
        self.told: list[Summary] = []
        self.begun = 0

    def bad(self, seconds: float) -> None:
        self.begun += self.episodes.began()
        self.passes(seconds)

    def well(self, seconds: float) -> None:
        self.episodes.ended()
        self.passes(seconds)

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.now += 1
            if summary := self.episodes.due():
                self.told.append(summary)


def test_it_is_over_when_it_was_well_for_a_while() -> None:
    time = Time()
    time.bad(4)
    time.well(9)
    assert time.told == []
    time.well(1)
    assert time.told == [Summary(over=True, times=1, bad_s=4)]


def test_what_comes_back_meanwhile_is_the_same_episode() -> None:
    time = Time()
    for _ in range(3):
        time.bad(5)
        time.well(5)
    time.well(5)
    assert time.begun == 1
    assert time.told == [Summary(over=True, times=3, bad_s=15)]


def test_another_one_counts_from_nought() -> None:
    time = Time()
    for seconds in (5, 7):
        time.bad(seconds)
        time.well(5000)
    assert time.begun == 2
    assert time.told == [Summary(over=True, times=1, bad_s=5), Summary(over=True, times=1, bad_s=7)]


def test_what_does_not_end_is_told_each_hour() -> None:
    time = Time()
    time.bad(3 * 3600)
    assert time.told == [Summary(over=False, times=1, bad_s=hours * 3600) for hours in (1, 2, 3)]


def test_it_may_be_noticed_after_it_began() -> None:
    time = Time()
    time.episodes.began(ago_s=10)
    time.passes(5)
    time.well(10)
    assert time.told == [Summary(over=True, times=1, bad_s=15)]


def test_a_loose_plug_costs_less_than_fifty_lines_a_day() -> None:
    for period in (12, 30, 120, 600, 1900):
        time = Time()
        for _ in range(86_400 // period):
            time.bad(2)
            time.well(period - 2)
        assert 10 < time.begun + len(time.told) < 50, f"one interruption each {period} s"


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records]


def test_each_kind_is_a_warning_once_until_it_is_resolved(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    incidents = IncidentLog("sink", logging.getLogger("test"))
    incidents.resolve()
    for message, kind in (("away 1", "away"), ("away 2", "away"), ("refused", "refused")):
        incidents.report(message, kind)
    assert incidents.is_open
    incidents.resolve()
    incidents.resolve()
    assert not incidents.is_open
    incidents.report("away 3", "away")
    assert levels(caplog) == ["WARNING", "DEBUG", "WARNING", "INFO", "WARNING"]
    assert caplog.messages[0] == "sink: away 1"


def test_an_incident_that_goes_on_is_a_warning_each_hour_with_its_count(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    incidents = IncidentLog("", logging.getLogger("test"), clock=lambda: now)
    for _ in range(241):
        incidents.report("wrong token")
        now += 30.0
    assert [message.partition(" (")[2][:3] for message in caplog.messages] == ["", "120", "120"]


def test_after_a_short_recovery_the_incident_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    incidents = IncidentLog("", logging.getLogger("test"))
    incidents.report("away")
    incidents.resolve(forget=False)
    incidents.report("away")
    incidents.resolve(forget=False)
    incidents.forget()
    incidents.report("away")
    assert levels(caplog) == ["WARNING", "INFO", "DEBUG", "WARNING"]
