"""The state machine of a label, at the very edges of its thresholds and times."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from listener.messages import Event
from listener.pipeline.bundle import LabelRule
from listener.pipeline.event_machine import EventMachine, EventMaker, EventState, Evidence, Timing
from listener.pipeline.values import Span

RATE, WINDOW, HOP = 1000, 3000, 500  # a millisecond a sample
TIMING = Timing(RATE, update_s=1.0, hop_s=0.5, bridge_s=0.6)
RULE = LabelRule(on=0.75, off=0.25, hold_s=1.5)
Sounds = Sequence[tuple[int, int]]


def machine(since: int = 0, **rule: float) -> EventMachine:
    changed = {key: rule.get(key, getattr(RULE, key)) for key in RULE.__struct_fields__}
    return EventMachine("bark", LabelRule(**changed), TIMING, EventMaker("kitchen", "tiny", "x"), since)


def evidence(
    stop: int,
    score: float,
    sounds: Sounds | None = None,
    *,
    activity: tuple[int, int] = (0, 0),
    levels: Sequence[tuple[int, float]] | None = None,
    similar: bool = True,
    start: int | None = None,
) -> Evidence:
    """A clip that ends at `stop`; `sounds` None: the model has no frame scores."""
    span = Span(max(0, stop - WINDOW) if start is None else start, stop)
    found = [Span(*sound) for sound in sounds or ()]
    return Evidence(span, score, found, sounds is not None, Span(*activity), levels or [(stop, -30.0)], similar)


def follow(subject: EventMachine, *clips: Evidence) -> list[Event]:
    return [event for clip in clips for event in subject.process(clip)]


def phases(events: Sequence[Event]) -> list[str]:
    return [str(event.phase) for event in events]


@pytest.mark.parametrize(("score", "state"), [(0.75, EventState.IDLE), (0.751, EventState.ACTIVE)])
def test_an_event_begins_above_on_and_not_at_it(score: float, state: EventState) -> None:
    subject = machine()
    follow(subject, evidence(500, score))
    assert subject.state is state


def test_a_score_at_off_keeps_nothing_alive() -> None:
    kept, left = machine(hold_s=0.5), machine(hold_s=0.5)
    follow(kept, evidence(3000, 0.9), evidence(3500, 0.251))
    follow(left, evidence(3000, 0.9), evidence(3500, 0.25))
    assert (kept.state, left.state) == (EventState.ACTIVE, EventState.IDLE)


def test_an_event_ends_when_its_hold_is_over_to_the_sample() -> None:
    subject = machine()
    follow(subject, evidence(3000, 0.9), evidence(4499, 0.1))
    assert subject.state is EventState.ACTIVE
    assert phases(follow(subject, evidence(4500, 0.1))) == ["end"]


def test_without_a_hold_it_lasts_as_long_as_each_clip_confirms_it() -> None:
    subject = machine(hold_s=0.0)
    assert phases(follow(subject, evidence(3000, 0.9), evidence(3500, 0.9))) == ["start"]
    assert phases(follow(subject, evidence(4000, 0.1))) == ["end"]


@pytest.mark.parametrize(("sound", "reported"), [((2000, 2799), False), ((2000, 2800), True)])
def test_it_is_pending_until_it_has_lasted(sound: tuple[int, int], reported: bool) -> None:
    subject = machine(min_s=0.8)
    events = follow(subject, evidence(3000, 0.9, [sound]))
    assert (subject.state, phases(events)) == ((EventState.ACTIVE, ["start"]) if reported else (EventState.PENDING, []))


def test_one_that_was_never_reported_ends_in_silence_and_cools_nothing_down() -> None:
    subject = machine(min_s=2.0, cooldown_s=60.0, hold_s=0.6)
    assert follow(subject, evidence(3000, 0.9, [(2700, 2900)]), evidence(3500, 0.1, [])) == []
    assert subject.state is EventState.IDLE
    assert phases(follow(subject, evidence(9000, 0.9, [(6500, 8900)]))) == ["start"]


@pytest.mark.parametrize(("stop", "begins"), [(6499, False), (6500, True)])
def test_a_cool_down_ends_to_the_sample(stop: int, begins: bool) -> None:
    subject = machine(hold_s=0.5, cooldown_s=3.0)
    assert phases(follow(subject, evidence(3000, 0.9), evidence(3500, 0.1))) == ["start", "end"]
    assert bool(follow(subject, evidence(stop, 0.9, start=stop - 10))) is begins


def test_a_new_peak_is_an_update_after_the_interval_and_an_old_one_after_half_a_minute() -> None:
    subject = machine()
    assert phases(follow(subject, evidence(3000, 0.8), evidence(3999, 0.9))) == ["start"]
    assert phases(follow(subject, evidence(4000, 0.85))) == ["update"]
    clips = [evidence(stop, 0.9) for stop in range(4500, 40_000, 500)]
    assert [event.phase for event in follow(subject, *clips)] == ["update"]


def test_an_interval_longer_than_half_a_minute_is_cut_to_it() -> None:
    subject = machine()
    subject.timing = Timing(RATE, update_s=60.0, hop_s=0.5, bridge_s=0.6)
    clips = [evidence(stop, 0.8 + stop / 1e6) for stop in range(3000, 34_000, 500)]
    assert phases(follow(subject, *clips)) == ["start", "update"]


@pytest.mark.parametrize(("stop", "begins"), [(1750, False), (1751, True)])
def test_a_sound_that_ended_long_ago_begins_nothing(stop: int, begins: bool) -> None:
    subject = machine()
    follow(subject, evidence(3000, 0.9, [(1000, stop)]))
    assert (subject.state is not EventState.IDLE) is begins


def test_what_is_not_similar_to_the_training_sounds_begins_nothing() -> None:
    assert follow(machine(), evidence(3000, 0.9, similar=False)) == []


def test_with_frame_scores_that_show_nothing_it_begins_only_after_the_event_before_has_left_the_window() -> None:
    assert follow(machine(since=1000), evidence(3999, 0.9, [])) == []
    assert phases(follow(machine(since=1000), evidence(4000, 0.9, []))) == ["start"]
    assert phases(follow(machine(since=1000), evidence(3999, 0.9))) == ["start"]  # a model without frame scores


def test_its_start_is_the_first_sound_that_is_not_older_than_the_rise() -> None:
    clips = evidence(5000, 0.1), evidence(5500, 0.9, [(3000, 4000), (4001, 4200), (5000, 5400)])
    (event,) = follow(machine(), *clips)
    assert event.start_s == 4.001  # 4000 is a second before the last clip that was quiet


@pytest.mark.parametrize(("began", "start_s"), [(4000, 4.0), (3999, 4.75)])
def test_without_sounds_its_start_is_that_of_the_activity_or_halfway_to_the_rise(began: int, start_s: float) -> None:
    (event,) = follow(machine(), evidence(5000, 0.1), evidence(5500, 0.9, activity=(began, 5500)))
    assert event.start_s == start_s


def test_its_level_is_the_loudest_of_the_clips_that_end_after_its_start() -> None:
    levels = [(4000, -1.0), (4500, -20.0), (5500, -30.0)]
    (event,) = follow(machine(), evidence(5500, 0.9, [(4000, 5400)], levels=levels))
    assert event.level_dbfs == -20.0


def test_a_louder_clip_raises_its_level_and_a_softer_one_does_not() -> None:
    subject = machine()
    follow(subject, evidence(3000, 0.9, levels=[(3000, -30.0)]), evidence(3500, 0.9, levels=[(3500, -10.0)]))
    follow(subject, evidence(4000, 0.9, levels=[(4000, -50.0)]))
    (end,) = subject.end()
    assert end.level_dbfs == -10.0


@pytest.mark.parametrize(("left", "end_s"), [(1500, 1.6), (1501, 2.0)])
def test_a_clip_may_correct_the_end_while_it_lies_well_within_it(left: int, end_s: float) -> None:
    subject = machine(hold_s=4.0)
    follow(subject, evidence(2000, 0.9, [(1000, 2000)]), evidence(4000, 0.9, [(1500, 1600)], start=left))
    (end,) = subject.end()
    assert end.end_s == end_s


def test_a_short_pause_between_frames_is_bridged_however_short_the_hold() -> None:
    subject = machine(hold_s=0.1)
    follow(subject, evidence(3000, 0.9, [(2500, 2900)]), evidence(3499, 0.9, [(2500, 2900)]))
    assert subject.state is EventState.ACTIVE
    assert phases(follow(subject, evidence(3500, 0.9, [(2500, 2900)]))) == ["end"]


def test_after_the_end_frames_that_were_settled_are_not_asked_again() -> None:
    subject = machine(hold_s=1.0)
    follow(subject, evidence(3000, 0.9, [(2500, 2900)]), evidence(3900, 0.9, [(2500, 2900)]))
    assert (subject.state, subject.fresh) == (EventState.IDLE, 3500)  # the bridge after its end
    subject = machine(hold_s=2.0)
    follow(subject, evidence(3000, 0.9, [(2500, 2900)]), evidence(4900, 0.9, [(2500, 2900)]))
    assert (subject.state, subject.fresh) == (EventState.IDLE, 4400)  # half a second before the latest clip's end


@pytest.mark.parametrize(("last", "reported"), [(6000, False), (6001, True)])
def test_a_repeat_is_a_settled_frame_after_its_time(last: int, reported: bool) -> None:
    subject = machine(hold_s=8.0, repeat_s=3.5)
    follow(subject, evidence(3000, 0.9, [(2500, 2900)]))
    events = follow(subject, evidence(7000, 0.9, [(5900, last)]))
    assert (phases(events) == ["start"]) is reported


def test_a_repeat_whose_score_is_only_alive_is_none() -> None:
    subject = machine(hold_s=8.0, repeat_s=3.5)
    follow(subject, evidence(3000, 0.9, [(2500, 2900)]))
    assert follow(subject, evidence(7000, 0.75, [(6100, 6400)])) == []
    assert phases(follow(subject, evidence(7000, 0.76, [(6100, 6400)]))) == ["start"]


@pytest.mark.parametrize(("stop", "reported"), [(9499, False), (9500, True)])
def test_without_frames_a_repeat_is_a_whole_clip_after_its_time(stop: int, reported: bool) -> None:
    subject = machine(hold_s=8.0, repeat_s=3.5)
    follow(subject, evidence(3000, 0.9))
    assert (phases(follow(subject, evidence(stop, 0.9))) == ["start"]) is reported


def test_a_gap_ends_what_its_hold_does_not_bridge() -> None:
    short, long = machine(), machine()
    follow(short, evidence(3000, 0.9))
    follow(long, evidence(3000, 0.9))
    assert list(short.split_at_gap(4499)) == []
    assert phases(list(long.split_at_gap(4500))) == ["end"]
    assert list(machine().split_at_gap(99_000)) == []


@pytest.mark.parametrize(
    ("last", "stopped", "end_s"),
    [(4000, 3500, 3.5), (4000, 3501, 3.0), (4000, 1000, 2.0)],
)
def test_without_frames_it_ends_with_the_activity_that_kept_it_alive(last: int, stopped: int, end_s: float) -> None:
    subject = machine(hold_s=0.5)
    alive = [evidence(stop, 0.9, activity=(2000, stop)) for stop in (3000, 3500)]
    (start, end) = follow(subject, *alive, evidence(last, 0.1, activity=(2000, stopped)))
    assert (start.start_s, end.end_s) == (2.0, end_s)


def test_later_activity_does_not_move_its_end() -> None:
    subject = machine(hold_s=1.0)
    follow(subject, evidence(3000, 0.9, activity=(2000, 2600)))
    (end,) = follow(subject, evidence(4000, 0.1, activity=(3900, 4000)))
    assert end.end_s == 2.6


def test_an_end_is_never_before_the_event_was_detected_by_estimate() -> None:
    subject = machine(hold_s=1.0)
    follow(subject, evidence(3000, 0.9, activity=(0, 3000)))
    (end,) = follow(subject, evidence(4000, 0.1, activity=(0, 4000)))
    assert (end.detected_s, end.end_s) == (3.0, 3.0)


def test_a_sound_that_the_stream_ends_in_lasts_to_its_end() -> None:
    subject = machine()
    follow(subject, evidence(3000, 0.9, activity=(0, 3000)), evidence(5000, 0.9, activity=(0, 5000)))
    (end,) = subject.end()
    assert end.end_s == 5.0


def test_ids_differ_and_lines_are_numbered() -> None:
    subject = machine(hold_s=0.5)

    def event_lines() -> Iterator[Event]:
        for base in (3000, 9000):
            yield from follow(subject, evidence(base, 0.8), evidence(base + 1000, 0.9), evidence(base + 1500, 0.1))

    events = list(event_lines())
    assert [(event.id, event.seq) for event in events] == [(f"x-{n}", seq) for n in (1, 2) for seq in (0, 1, 2)]
    assert all(after.peak >= before.peak for before, after in pairwise(events[:3]))
