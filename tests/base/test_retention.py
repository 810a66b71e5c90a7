"""Age counts only while the date is beyond doubt: the wall clock goes as the uptime does."""

import time
from dataclasses import dataclass

import pytest

from listener.base.clocks import uptime
from listener.base.retention import DAY_S, Ageing


@dataclass
class Machine:
    up_s: float = 0.0
    set_by_s: float = 0.0

    def clock(self) -> float:
        return 1.8e9 + self.up_s + self.set_by_s

    def uptime(self) -> float:
        return self.up_s


def up(hours: float) -> tuple[Machine, Ageing]:
    machine = Machine()
    ageing = Ageing(machine.clock, machine.uptime)
    machine.up_s += hours * 3600
    return machine, ageing


@pytest.mark.parametrize(("hours", "counts"), [(0, False), (0.9, False), (1.1, True), (1000, True)])
def test_it_counts_from_the_second_hour_on(hours: float, counts: bool) -> None:
    _, ageing = up(hours)
    assert ageing() is counts


@pytest.mark.parametrize("days", [1000, -1000, 1.1])
def test_after_the_clock_was_set_it_counts_a_day_later(days: float, caplog: pytest.LogCaptureFixture) -> None:
    machine, ageing = up(hours=2)
    machine.set_by_s = days * DAY_S
    found = []
    for hours in (0, 23.9, 0.2):
        machine.up_s += hours * 3600
        found.append(ageing())
    assert found == [False, False, True]
    assert [record.getMessage() for record in caplog.records] == [
        f"the clock was set by {days:+.0f} days; nothing is deleted for its age today"
    ]


def test_setting_it_right_begins_the_day_anew() -> None:
    machine, ageing = up(hours=2)
    machine.set_by_s = 1000 * DAY_S
    wrong = ageing()
    machine.up_s, machine.set_by_s = machine.up_s + 20 * 3600, 0.0
    right = ageing()
    machine.up_s += 20 * 3600
    assert (wrong, right, ageing()) == (False, False, False)
    machine.up_s += 5 * 3600
    assert ageing()


def test_a_clock_that_is_put_right_by_less_than_a_day_is_none_that_was_wrong() -> None:
    machine, ageing = up(hours=2)
    machine.set_by_s = 0.9 * DAY_S
    assert ageing()


def test_the_uptime_of_this_machine_is_no_date() -> None:
    before = uptime()
    assert before <= uptime() < time.time()
