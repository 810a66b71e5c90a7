"""The tracker: scores half a second apart become events with a start, a peak and an end."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.messages import Event
from listener.pipeline.bundle import LabelRule
from listener.pipeline.frame_grid import frame_grid
from listener.pipeline.tracker import Rules, Tracker
from listener.pipeline.values import ClipContext, Prediction, Span
from tests.fakes import SPEC

RATE, HOP = 16_000, 8_000
GRID = frame_grid(SPEC, 0.08)
FRAMES = 38
RULE = LabelRule(on=0.7, off=0.4, hold_s=1.5)


BARK = LabelRule(on=0.7, off=0.4, hold_s=1.0)
ALARM = LabelRule(on=0.7, off=0.4, hold_s=6.0, repeat_s=3.5)

Stretch = tuple[float, float]  # start and end of a sound, seconds
T3 = [(0.5, 1.0), (1.5, 2.0), (2.5, 3.0)]  # one group of a smoke alarm's beeps, which come every 4 s
T4 = [(0.5 + 0.2 * beep, 0.6 + 0.2 * beep) for beep in range(4)]  # a CO alarm's, every 5.7 s


def tracker(rule: LabelRule = RULE, smoothing: float = 0.0, names: dict[str, str] | None = None) -> Tracker:
    rules = Rules(("bark", "siren"), {"bark": rule}, names or {}, smoothing, 1.0, RATE, 0.5, GRID)
    return Tracker(rules, source="kitchen", model="test", prefix="t")


def prediction(hop: int, score: float, activity: Span | None = None) -> Prediction:
    stop = (hop + 1) * HOP
    span = Span(max(0, stop - 48_000), stop)
    scores = np.array([score, 0.9], dtype=np.float32)
    return Prediction(span, scores, ClipContext(activity or span, -30.0))


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


def test_an_event_that_goes_on_without_a_new_peak_is_told_again_each_half_minute() -> None:
    events = follow(tracker(), [0.9] * 130)
    assert phases(events) == ["start", "update", "update"]
    assert [event.detected_s for event in events] == [events[0].detected_s] * 3
    again = follow(tracker(LabelRule(on=0.7, off=0.4, hold_s=120.0)), [0.9] + [0.1] * 130)
    assert phases(again) == ["start"]  # what is not heard is not told of


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


def test_what_is_like_nothing_the_model_knows_begins_no_event_but_does_not_end_one() -> None:
    rules = Rules(("bark", "siren"), {"bark": RULE}, {}, 0.0, 1.0, RATE, 0.5, GRID, min_similarity=0.4)
    subject = Tracker(rules, source="kitchen", model="test", prefix="t")
    familiarities = [0.1, 0.3, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    scores = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]
    said = [
        list(subject.update(replace(prediction(hop, score), similarity=familiar)))
        for hop, (score, familiar) in enumerate(zip(scores, familiarities, strict=True))
    ]
    assert [hop for hop, events in enumerate(said) if phases(events) == ["start"]] == [2]
    assert phases(event for events in said for event in events)[-1] == "end"
    assert phases(follow(tracker(), [0.9])) == ["start"]  # a model that does not say is not asked


def test_a_label_may_be_told_however_unfamiliar_it_is() -> None:
    rule = LabelRule(on=0.7, off=0.4, familiar=-1.0)
    rules = Rules(("bark", "siren"), {"bark": rule}, {}, 0.0, 1.0, RATE, 0.5, GRID, min_similarity=0.4)
    subject = Tracker(rules, source="kitchen", model="test", prefix="t")
    assert phases(subject.update(replace(prediction(0, 0.9), similarity=-0.2))) == ["start"]


def test_a_label_without_a_rule_is_never_reported() -> None:
    assert {event.label for event in follow(tracker(), [0.9] * 5)} == {"bark"}


def test_its_level_is_the_loudest_since_it_began_though_its_score_rose_later() -> None:
    subject, said = tracker(), []
    for hop, (score, level_dbfs) in enumerate([(0.1, -5.0), (0.1, -40.0), (0.1, -12.0), (0.9, -50.0), (0.1, -60.0)]):
        clip = prediction(hop, score)
        said += subject.update(replace(clip, context=ClipContext(Span(HOP + 160, clip.span.stop), level_dbfs)))
    assert said[0].start_s == (HOP + 160) / RATE
    assert said[0].level_dbfs == -12.0


def test_an_event_ends_at_a_gap_that_is_longer_than_its_hold() -> None:
    night = 8 * 3600 * 2  # hops
    before, after = range(4), range(night, night + 4)
    subject = tracker()
    said = [event for hop in before for event in subject.update(prediction(hop, 0.9))]
    for hop in after:
        clip = prediction(hop, 0.9)
        said += subject.update(replace(clip, span=Span(night * HOP, clip.span.stop)))
    assert phases(said) == ["start", "end", "start"]
    assert (said[1].end_s or 0) <= 2.0
    assert said[2].start_s >= night / 2


def test_a_label_that_was_taken_away_and_given_back_begins_no_event_in_what_was_heard_before() -> None:
    subject = tracker()
    with_bark, without = subject._rules, replace(subject._rules, rules={})
    said = [event for stop_s in (3.0, 3.5) for event in subject.update(framed(stop_s, [(1.0, 3.0)]))]
    said += [*subject.reconfigure(without), *subject.reconfigure(with_bark)]
    said += [event for stop_s in (4.0, 4.5, 5.0) for event in subject.update(framed(stop_s, [(1.0, 3.0)]))]
    assert phases(said) == ["start", "end"]


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


@settings(deadline=None)
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


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=60))
def test_nothing_holds_the_gate_longer_than_the_hold_after_the_last_live_score(scores: list[float]) -> None:
    subject = tracker()
    follow(subject, scores)
    for hop in range(len(scores), len(scores) + 5):
        list(subject.update(prediction(hop, 0.0)))
    assert not subject.active


def framed(stop_s: float, sounds: Sequence[Stretch], score: float | None = None) -> Prediction:
    """What a model with frame scores says at a time: its window is hot while a frame of a sound is in it."""
    start_s = stop_s - 3.0
    at_s = start_s + 0.016 + 0.08 * np.arange(FRAMES)
    there = np.any([(at_s >= begin) & (at_s < end) for begin, end in sounds] or [np.zeros(FRAMES, bool)], axis=0)
    span = Span(max(0, round(start_s * RATE)), round(stop_s * RATE))
    scores = np.array([(0.9 if there.any() else 0.1) if score is None else score, 0.9], dtype=np.float32)
    frames = np.stack([np.where(there, 0.9, 0.1), np.full(FRAMES, 0.9)]).astype(np.float32)
    return Prediction(span, scores, ClipContext(span, -30.0), frames)


def hear(subject: Tracker, sounds: Sequence[Stretch], until_s: float, *, frames: bool = True) -> list[Event]:
    """The events of a stream with these sounds, clip by clip to its end."""
    clips = [framed(float(stop_s), sounds) for stop_s in np.arange(0.5, until_s + 0.1, 0.5)]
    if not frames:
        clips = [Prediction(clip.span, clip.scores, clip.context) for clip in clips]
    return [event for clip in clips for event in subject.update(clip)] + list(subject.finish())


def times(events: Iterable[Event]) -> list[Stretch]:
    return [(event.start_s, event.end_s or 0.0) for event in events if event.phase == "end"]


def repeated(group: Sequence[Stretch], every_s: float, count: int) -> list[Stretch]:
    return [(start + every_s * n, stop + every_s * n) for n in range(count) for start, stop in group]


def test_with_frames_an_event_starts_and_ends_where_they_have_the_sound() -> None:
    (event,) = times(hear(tracker(BARK), [(5.2, 5.6)], 12))
    assert event == pytest.approx((5.2, 5.6), abs=0.1)


def test_with_frames_an_event_ends_although_the_window_is_still_hot() -> None:
    subject = tracker(BARK)
    events = [event for stop_s in (5.5, 6.0, 6.5, 7.0) for event in subject.update(framed(stop_s, [(5.2, 5.6)]))]
    assert phases(events) == ["start", "end"]
    assert not subject.active


def test_one_bark_is_one_event_however_long_its_window_is_hot() -> None:
    assert len(times(hear(tracker(BARK), [(5.2, 5.6)], 20))) == 1


def test_a_second_bark_in_the_same_hot_window_is_a_second_event() -> None:
    first, second = times(hear(tracker(BARK), [(5.2, 5.5), (7.5, 7.8)], 14))
    assert first == pytest.approx((5.2, 5.5), abs=0.1)
    assert second == pytest.approx((7.5, 7.8), abs=0.1)


def test_barks_closer_than_the_hold_are_one_event() -> None:
    (event,) = times(hear(tracker(BARK), [(5.2, 5.5), (6.3, 6.6), (7.2, 7.4)], 14))
    assert event == pytest.approx((5.2, 7.4), abs=0.1)


def test_a_sound_longer_than_the_window_keeps_its_start() -> None:
    (event,) = times(hear(tracker(BARK), [(5.2, 25.6)], 32))
    assert event == pytest.approx((5.2, 25.6), abs=0.1)


def test_padding_in_front_of_a_young_stream_has_no_sound_in_it() -> None:
    clip = framed(0.5, [(-2.0, -1.0), (0.2, 0.5)])
    (event,) = tracker(BARK).update(clip)
    assert event.start_s == pytest.approx(0.2, abs=0.1)


def test_what_was_there_long_before_the_score_rose_is_not_its_start() -> None:
    subject = tracker(BARK)
    list(subject.update(framed(7.5, [(5.2, 5.4)], score=0.1)))
    (event,) = subject.update(framed(8.0, [(5.2, 5.4), (7.6, 8.0)]))
    assert event.start_s == pytest.approx(7.6, abs=0.1)


def test_a_hot_window_without_a_frame_over_is_timed_as_without_frames() -> None:
    subject = tracker()
    activity = Span(76_800, 80_000)
    events = []
    for hop in range(9, 20):
        clip, nothing = prediction(hop, 0.9 if 10 <= hop < 14 else 0.1, activity), np.zeros((2, FRAMES), np.float32)
        events += subject.update(Prediction(clip.span, clip.scores, clip.context, nothing))
    assert times(events) == [(4.8, 5.0)]


def test_a_later_clip_takes_back_what_an_earlier_one_saw_at_its_edge() -> None:
    subject = tracker(LabelRule(on=0.7, off=0.4, hold_s=1.5))
    list(subject.update(framed(6.0, [(5.2, 5.5), (5.8, 6.0)])))
    list(subject.update(framed(6.5, [(5.2, 5.5)])))
    (event,) = subject.update(framed(7.0, [(5.2, 5.5)]))
    assert event.end_s == pytest.approx(5.5, abs=0.1)


def test_a_clip_that_loses_sight_of_the_end_does_not_move_it() -> None:
    subject = tracker(LabelRule(on=0.7, off=0.4, hold_s=4.0))
    list(subject.update(framed(6.0, [(5.2, 5.8)])))
    list(subject.update(framed(8.5, [(5.2, 5.65)])))  # begins at 5.5: little is left before the end
    (event,) = subject.finish()
    assert event.end_s == pytest.approx(5.8, abs=0.1)


def test_frames_that_waver_after_the_end_are_no_second_event() -> None:
    subject = tracker(BARK)
    events = [event for stop_s in (5.5, 6.0, 6.5, 7.0) for event in subject.update(framed(stop_s, [(5.2, 5.6)]))]
    assert phases(events) == ["start", "end"]
    assert list(subject.update(framed(7.5, [(5.2, 5.6), (5.9, 6.1)]))) == []


def test_frames_decide_how_long_an_event_has_lasted() -> None:
    rule = LabelRule(on=0.7, off=0.4, hold_s=1.0, min_s=1.5)
    assert hear(tracker(rule), [(5.2, 5.6)], 12) == []
    assert len(times(hear(tracker(rule), [(5.2, 7.6)], 14))) == 1


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize(("group", "every_s", "hold_s"), [(T3, 4.0, 6.0), (T4, 5.7, 8.0)])
def test_a_pattern_is_reported_when_it_repeats_and_never_when_it_does_not(
    group: list[Stretch], every_s: float, hold_s: float, frames: bool
) -> None:
    rule = LabelRule(on=0.7, off=0.4, hold_s=hold_s, repeat_s=3.5)
    for shift_s in np.arange(0, 0.5, 0.1):
        once = [(start + shift_s, stop + shift_s) for start, stop in group]
        assert hear(tracker(rule), once, 30, frames=frames) == []
        (event,) = {e.id for e in hear(tracker(rule), repeated(once, every_s, 4), 40, frames=frames)}
        assert event


def test_a_pattern_is_one_event_from_its_first_beep_to_its_last() -> None:
    start, *_, end = hear(tracker(ALARM), repeated(T3, 4.0, 5), 40)
    assert (start.start_s, end.end_s) == pytest.approx((0.5, 19.0), abs=0.1)
    assert start.detected_s <= 5.5


def test_a_train_of_beeps_shorter_than_its_repeat_is_never_reported() -> None:
    beeps = [(5.0 + 0.6 * n, 5.2 + 0.6 * n) for n in range(6)]
    assert hear(tracker(ALARM), beeps, 30) == []
    assert hear(tracker(ALARM), beeps, 30, frames=False) == []


def test_two_trains_too_far_apart_are_no_pattern() -> None:
    assert hear(tracker(ALARM), repeated(T3, 15.0, 3), 60) == []


def test_one_frame_at_the_edge_of_a_window_that_is_hot_with_the_first_train_is_no_repeat() -> None:
    subject = tracker(ALARM)
    heard = [*T3[:2], (2.5, 3.4)]
    for stop_s in np.arange(0.5, 4.1, 0.5):
        assert list(subject.update(framed(float(stop_s), heard))) == []
    assert list(subject.update(framed(4.5, [*heard, (4.4, 4.5)]))) == []
    assert list(subject.update(framed(5.0, heard))) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.2, 6), st.floats(0.1, 6)), max_size=6), st.sampled_from([0.0, 0.3]))
def test_with_frames_every_event_is_about_as_long_as_its_sounds(gaps: list[Stretch], smoothing: float) -> None:
    sounds, at_s = [], 0.0
    for pause_s, lasts_s in gaps:
        sounds.append((at_s + pause_s, at_s + pause_s + lasts_s))
        at_s += pause_s + lasts_s
    found = times(hear(tracker(BARK, smoothing), sounds, at_s + 6))
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    for start_s, end_s in found:
        mine = [sound for sound in sounds if sound[1] > start_s - 0.1 and sound[0] < end_s + 0.1]
        assert mine
        assert start_s >= mine[0][0] - 0.1
        assert end_s <= mine[-1][1] + 0.1
    for start_s, end_s in sounds:
        assert any(begin < end_s + 0.1 and end > start_s - 0.1 for begin, end in found)


def test_what_was_no_sound_of_the_label_while_it_lasted_does_not_become_one_as_it_leaves_the_window() -> None:
    subject = tracker(BARK)
    assert list(subject.update(framed(2.0, [(0.4, 0.8)], score=0.5))) == []
    assert list(subject.update(framed(2.5, [(0.4, 0.8)], score=0.9))) == []
    assert phases(subject.update(framed(3.0, [(2.4, 2.8)], score=0.9))) == ["start"]


def test_a_clip_that_this_one_does_not_overlap_has_no_say_in_the_level() -> None:
    subject = tracker()
    for start, stop, score, level_dbfs in (
        (0, 8_000, 0.1, -5.0),
        (8_000, 16_000, 0.1, -20.0),
        (8_000, 24_000, 0.9, -40.0),
    ):
        clip = replace(prediction(0, score), span=Span(start, stop))
        said = list(subject.update(replace(clip, context=ClipContext(Span(8_000, stop), level_dbfs))))
    assert said[0].level_dbfs == -20.0


def test_a_changed_threshold_is_taken_back() -> None:
    subject = tracker()
    subject.retune("bark", 0.95)
    assert follow(subject, [0.9]) == []
    subject.retune("bark", None)
    assert phases(follow(subject, [0.9])) == ["start"]


def test_reconfiguring_goes_on_with_a_label_that_stays_and_ends_one_that_goes_or_is_renamed() -> None:
    def ended(**changes: object) -> list[str]:
        subject = tracker()
        follow(subject, [0.9])
        return phases(subject.reconfigure(replace(subject.rules, **changes)))  # type: ignore[arg-type]

    assert ended(rules={"bark": LabelRule(on=0.9)}) == []
    assert ended(names={"siren": "alarm"}) == []
    assert ended(names={"bark": "rex"}) == ["end"]
    assert ended(rules={"siren": RULE}) == ["end"]


def test_a_changed_threshold_outlives_new_rules_while_its_name_is_reported() -> None:
    subject = tracker()
    subject.retune("bark", 0.95)
    list(subject.reconfigure(replace(subject.rules, rules={"bark": LabelRule(on=0.5)})))
    assert follow(subject, [0.9]) == []
    list(subject.reconfigure(replace(subject.rules, rules={})))
    list(subject.reconfigure(replace(subject.rules, rules={"bark": RULE})))
    assert phases(subject.update(prediction(20, 0.9))) == ["start"]
