"""The tracker: scores half a second apart become events with a start, a peak and an end."""

from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from listener.bundle import LabelRule
from listener.tracker import Rules, Tracker
from listener.types import Heard, Prediction, Span
from listener.wire import Event

RATE, HOP = 16_000, 8_000
RULE = LabelRule(on=0.7, off=0.4, hold_s=1.5)


def tracker(rule: LabelRule = RULE, smoothing: float = 0.0, names: dict[str, str] | None = None) -> Tracker:
    rules = Rules(("bark", "siren"), {"bark": rule}, names or {}, smoothing, 1.0, RATE, 0.5)
    return Tracker(rules, source="kitchen", model="test", prefix="t")


def prediction(hop: int, score: float, activity: Span | None = None) -> Prediction:
    stop = (hop + 1) * HOP
    span = Span(max(0, stop - 48_000), stop)
    scores = np.array([score, 0.9], dtype=np.float32)
    return Prediction(span, scores, Heard(activity or span, -30.0))


def follow(subject: Tracker, scores: Iterable[float]) -> list[Event]:
    return [event for hop, score in enumerate(scores) for event in subject.update(prediction(hop, score))]


def phases(events: Iterable[Event]) -> list[str]:
    return [str(event.phase) for event in events]


def test_an_event_starts_over_on_lives_over_off_and_ends_after_its_hold() -> None:
    events = follow(tracker(), [0.1, 0.8, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1])
    assert phases(events) == ["start", "end"]


def test_a_score_between_the_thresholds_starts_nothing() -> None:
    assert follow(tracker(), [0.6] * 10) == []


def test_a_dip_shorter_than_the_hold_does_not_part_an_event() -> None:
    assert phases(follow(tracker(), [0.9, 0.1, 0.1, 0.9, 0.1])).count("start") == 1


def test_a_new_peak_is_an_update_at_most_once_a_second() -> None:
    events = follow(tracker(), [0.75, 0.8, 0.85, 0.9, 0.95])
    assert phases(events) == ["start", "update", "update"]
    assert [event.seq for event in events] == [0, 1, 2]


def test_the_end_carries_the_highest_score_as_peak() -> None:
    events = follow(tracker(), [0.75, 0.97, 0.5, 0.1, 0.1, 0.1, 0.1])
    assert events[-1].peak == 0.97


def test_an_event_shorter_than_its_minimum_is_never_reported() -> None:
    assert follow(tracker(LabelRule(on=0.7, off=0.4, hold_s=0.5, min_s=5.0)), [0.9, 0.9, 0.1, 0.1, 0.1]) == []


def test_a_pattern_that_repeats_within_its_hold_is_reported_once_it_has_lasted() -> None:
    rule = LabelRule(on=0.7, off=0.4, hold_s=6.0, min_s=4.0)
    beeps = ([0.9] * 4 + [0.1] * 4) * 3
    events = follow(tracker(rule), beeps)
    assert phases(events)[0] == "start"
    assert events[0].detected_s - events[0].start_s >= 4.0


def test_cool_down_holds_back_the_next_event() -> None:
    rule = LabelRule(on=0.7, off=0.4, hold_s=0.5, cooldown_s=10.0)
    assert phases(follow(tracker(rule), [0.9, 0.1, 0.1, 0.9, 0.1, 0.1])).count("start") == 1


def test_smoothing_asks_for_more_than_one_high_score() -> None:
    assert phases(follow(tracker(smoothing=0.6), [0.0, 0.9])) == []
    assert phases(follow(tracker(smoothing=0.6), [0.0, 0.9, 0.9, 0.9, 0.9])) == ["start"]


def test_after_a_pause_the_first_score_counts_in_full() -> None:
    subject = tracker(smoothing=0.6)
    list(subject.update(prediction(0, 0.0)))
    assert phases(subject.update(prediction(100, 0.9))) == ["start"]


def test_an_event_starts_where_the_gates_activity_began() -> None:
    subject = tracker()
    list(subject.update(prediction(9, 0.1)))
    (event,) = subject.update(prediction(10, 0.9, Span(76_800, 88_000)))
    assert event.start_s == 4.8


def test_an_event_ends_where_the_gates_activity_ended() -> None:
    subject = tracker()
    activity = Span(76_800, 80_000)
    events = [e for hop in range(10, 14) for e in subject.update(prediction(hop, 0.9, activity))]
    events += [e for hop in range(14, 20) for e in subject.update(prediction(hop, 0.1, activity))]
    assert events[-1].end_s == 5.0


def test_with_the_gate_open_throughout_the_start_is_near_the_rise() -> None:
    subject = tracker()
    events = [e for hop, score in enumerate([0.1] * 20 + [0.9]) for e in subject.update(prediction(hop, score))]
    assert 9.0 <= events[0].start_s <= 10.5


def test_a_label_without_a_rule_is_never_reported() -> None:
    assert {event.label for event in follow(tracker(), [0.9] * 5)} == {"bark"}


def test_a_renamed_label_is_reported_under_its_name() -> None:
    (event,) = follow(tracker(names={"bark": "rex"}), [0.9])
    assert event.label == "rex"
    assert set(event.top) == {"rex", "siren"}


def test_the_end_of_the_stream_ends_what_is_under_way() -> None:
    subject = tracker()
    follow(subject, [0.9])
    assert phases(subject.finish()) == ["end"]
    assert not subject.active


def test_a_sound_that_the_stream_ends_before_lasts_to_its_end() -> None:
    subject = tracker()
    follow(subject, [0.1, 0.9, 0.9])
    assert [event.end_s for event in subject.finish()] == [1.5]


@given(st.lists(st.floats(0, 1), max_size=60))
def test_every_event_ends_and_is_numbered_without_a_hole(scores: list[float]) -> None:
    subject = tracker(smoothing=0.3)
    events = follow(subject, scores) + list(subject.finish())
    for id_ in {event.id for event in events}:
        mine = [event for event in events if event.id == id_]
        assert [event.seq for event in mine] == list(range(len(mine)))
        assert phases(mine)[0] == "start"
        assert phases(mine)[-1] == "end"
        assert all(event.start_s <= event.detected_s for event in mine)
        assert mine[-1].end_s is not None
        assert mine[-1].end_s >= mine[-1].start_s


@given(st.lists(st.floats(0, 1), max_size=60))
def test_nothing_holds_the_gate_longer_than_the_hold_after_the_last_live_score(scores: list[float]) -> None:
    subject = tracker()
    follow(subject, scores)
    for hop in range(len(scores), len(scores) + 5):
        list(subject.update(prediction(hop, 0.0)))
    assert not subject.active
