"""What users change while the daemon runs."""

import pytest

from listener import messages
from listener.messages import Command, State
from listener.routing.controls import Controls, is_muted
from tests.sinks.messages import event


class Clock:
    def __init__(self) -> None:
        self.s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def controls(clock: Clock) -> Controls:
    labels, groups = ["dog_bark", "rain"], {"animals": ["dog_bark"]}
    return Controls(labels, groups, ["kitchen", "attic"], clock=clock, ticks=clock)


@pytest.mark.parametrize("what", ["dog_bark", "animals", "kitchen", "all"])
def test_what_is_snoozed_is_not_reported_until_its_time_is_over(controls: Controls, clock: Clock, what: str) -> None:
    state = controls.execute(Command(command="snooze", what=what, for_s=60))
    assert state.snoozed == {what: messages.wall_clock(clock.s + 60)}
    assert not controls.allows(event())
    clock.s += 61
    assert controls.allows(event())
    assert controls.state().snoozed == {}


def test_a_wall_clock_set_back_makes_no_snooze_longer_and_is_followed_where_its_end_is_said() -> None:
    wall, ticks = Clock(), Clock()
    controls = Controls(["rain"], {}, ["kitchen"], clock=wall, ticks=ticks)
    controls.execute(Command(command="snooze", what="rain", for_s=60))
    wall.s -= 30 * 86_400
    assert controls.state().snoozed == {"rain": messages.wall_clock(wall.s + 60)}
    ticks.s += 61
    assert controls.allows(event(label="rain"))


def test_the_end_of_a_snooze_is_said_the_same_each_time() -> None:
    wall, ticks = Clock(), Clock()
    controls = Controls(["rain"], {}, ["kitchen"], clock=wall, ticks=ticks)
    before = controls.execute(Command(command="snooze", what="rain", for_s=60))
    wall.s += 5.002  # the network's time is caught up with slowly, and two clocks are never read at once
    ticks.s += 5
    assert controls.state() == before


def test_others_are_reported_meanwhile(controls: Controls) -> None:
    controls.execute(Command(command="snooze", what="dog_bark", for_s=60))
    assert controls.allows(event(label="rain"))
    controls.execute(Command(command="snooze", what="kitchen"))
    assert not controls.allows(event(1, label="rain"))
    assert controls.allows(event(2, label="rain", source="attic"))


def test_an_event_whose_start_was_reported_is_to_its_end(controls: Controls) -> None:
    assert controls.allows(event())
    controls.execute(Command(command="snooze", what="all"))
    assert controls.allows(event(phase="update", seq=1))
    assert controls.allows(event(phase="end", seq=2))
    assert not controls.allows(event(1))


def test_one_whose_start_was_not_is_not_either_at_its_end(controls: Controls) -> None:
    controls.execute(Command(command="snooze", what="all"))
    assert not controls.allows(event())
    assert not controls.allows(event(phase="end", seq=1))


def test_one_that_was_snoozed_while_it_began_is_not_told_of_by_its_end(controls: Controls, clock: Clock) -> None:
    controls.execute(Command(command="snooze", what="dog_bark", for_s=5))
    assert not controls.allows(event())
    clock.s += 6
    assert not controls.allows(event(phase="end", seq=2))
    assert not controls.is_suppressed(event(1))


def test_one_that_was_snoozed_while_it_began_and_goes_on_is_told_of_afterwards(
    controls: Controls, clock: Clock
) -> None:
    controls.execute(Command(command="snooze", what="dog_bark", for_s=60))
    assert not controls.allows(event())
    assert not controls.allows(event(phase="update", seq=1))
    clock.s += 61
    assert controls.allows(event(phase="update", seq=2))
    assert controls.allows(event(phase="end", seq=3))


def test_without_a_time_it_sleeps_until_it_is_woken(controls: Controls, clock: Clock) -> None:
    assert controls.execute(Command(command="snooze", what="kitchen")).snoozed == {"kitchen": None}
    clock.s += 1e6
    assert is_muted(controls.state(), "kitchen")
    assert not is_muted(controls.state(), "attic")
    assert controls.execute(Command(command="wake", what="kitchen")).snoozed == {}


def test_a_source_listens_for_the_labels_and_groups_it_is_told(controls: Controls) -> None:
    state = controls.execute(Command(command="listen", what="kitchen", labels=["animals"]))
    assert state.listening_for == {"kitchen": ["dog_bark"]}
    assert [controls.allows(event(n, label=label)) for n, label in enumerate(("dog_bark", "rain"))] == [True, False]
    assert controls.allows(event(3, label="rain", source="attic"))
    assert controls.execute(Command(command="listen", what="kitchen")).listening_for == {}


def test_a_source_is_not_deaf_because_what_it_listens_for_has_another_name_now(controls: Controls) -> None:
    controls.execute(Command(command="listen", what="kitchen", labels=["dog_bark"]))
    controls.execute(Command(command="listen", what="attic", labels=["dog_bark", "rain"]))
    controls.reconfigure(["woof", "rain"], {})
    assert controls.state().listening_for == {"attic": ["rain"]}
    assert controls.allows(event(label="woof"))
    controls.execute(Command(command="listen", what="kitchen", labels=[]))
    controls.reconfigure(["woof"], {})
    assert controls.state().listening_for == {"kitchen": []}


def test_a_threshold_reaches_the_trackers_and_can_be_taken_back() -> None:
    told: list[tuple[str, float | None]] = []
    controls = Controls(["rain"], {}, [], lambda label, on: told.append((label, on)))
    assert controls.execute(Command(command="threshold", what="rain", on=0.4)).thresholds == {"rain": 0.4}
    assert controls.execute(Command(command="threshold", what="rain")).thresholds == {}
    assert told == [("rain", 0.4), ("rain", None)]


def test_watchers_are_told_of_changes_and_of_what_runs_out(controls: Controls, clock: Clock) -> None:
    told: list[State] = []
    controls.watch(told.append)
    controls.execute(Command(command="state"))
    controls.tick()
    assert told == []
    controls.execute(Command(command="snooze", what="rain", for_s=5))
    clock.s += 6
    assert controls.allows(event(label="rain"))  # who asks meanwhile does not take the news away
    controls.tick()
    controls.tick()
    assert [state.snoozed.keys() for state in told] == [{"rain"}, set()]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (Command(command="snooze", what="dog_brk"), "'dog_bark'"),
        (Command(command="snooze", what="rain", for_s=-1), "more than 0"),
        (Command(command="snooze", what="rain", for_s=float("nan")), "more than 0"),
        (Command(command="wake", what=""), "''"),
        (Command(command="listen", what="cellar"), "'cellar'"),
        (Command(command="listen", what="kitchen", labels=["purr"]), "'purr'"),
        (Command(command="threshold", what="purr", on=0.5), "'purr'"),
        (Command(command="threshold", what="rain", on=1.5), "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    controls: Controls, command: Command, complaint: str
) -> None:
    before = controls.state()
    with pytest.raises(ValueError, match=complaint):
        controls.execute(command)
    assert controls.state() == before


def test_a_snooze_ends_to_the_second(controls: Controls, clock: Clock) -> None:
    controls.execute(Command(command="snooze", what="rain", for_s=60))
    clock.s += 59.5
    assert not controls.allows(event(label="rain"))
    clock.s += 0.5
    assert controls.allows(event(1, label="rain"))


def test_only_the_watcher_that_was_removed_is_called_no_more(controls: Controls) -> None:
    seen: dict[str, list[State]] = {"stays": [], "goes": []}
    controls.watch(seen["stays"].append)
    goes = seen["goes"].append
    controls.watch(goes)
    controls.unwatch(goes)
    controls.execute(Command(command="snooze", what="rain"))
    assert [len(states) for states in seen.values()] == [1, 0]


def test_without_a_configuration_there_is_nothing_to_reload(controls: Controls) -> None:
    with pytest.raises(ValueError, match="configuration"):
        controls.execute(Command(command="reload"))


def test_a_reload_says_what_only_a_restart_changes() -> None:
    controls = Controls(["rain"], {}, ["kitchen"], reload=lambda: ["source"])
    assert controls.execute(Command(command="reload")).restart == ["source"]
