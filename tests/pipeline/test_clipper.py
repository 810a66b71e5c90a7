"""The clipper: whatever the gate does and whatever is lost, clips are whole, honest and cover what was open."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.pipeline.clipper import ClipConfig, Clipper
from listener.pipeline.values import Clip
from tests.fakes import FRAME, SPEC, frames

RATE = SPEC.sample_rate
MODERN = ClipConfig(hop_s=0.5)


def clipper(hang_over_s: float = 1.0, **settings: float) -> Clipper:
    return Clipper(SPEC, ClipConfig(**{"hop_s": 0.5, **settings}), hang_over_s)


def push(
    subject: Clipper, position: int, active: bool, held: bool = False, level_dbfs: float = -60.0
) -> Iterator[Clip]:
    return subject.push(frames(position, level_dbfs), np.array([active]), lambda: held)


def run(steps: list[tuple[int, bool]], **settings: float) -> list[tuple[int, Clip]]:
    """Clips with the position at which each came. A step is (frames skipped before it, active)."""
    subject, position, clips = clipper(**settings), 0, []
    for skipped, active in steps:
        position += skipped * FRAME
        clips += [(position, clip) for clip in push(subject, position, active)]
        position += FRAME
    return clips + [(position, clip) for clip in subject.finish()]


runs = st.lists(
    st.tuples(st.sampled_from([0] * 20 + [1, 30, 400]), st.booleans(), st.integers(1, 60)), min_size=1, max_size=12
)


def expanded(stretches: list[tuple[int, bool, int]]) -> list[tuple[int, bool]]:
    """Stretches of frames that agree, a gap allowed before each."""
    return [(skip if i == 0 else 0, active) for skip, active, count in stretches for i in range(count)]


@settings(deadline=None, max_examples=40)
@given(runs)
def test_every_clip_is_whole_and_ends_in_what_was_really_heard(stretches: list[tuple[int, bool, int]]) -> None:
    for _, clip in run(expanded(stretches)):
        heard = clip.samples[len(clip.samples) - len(clip.span) :]
        expected = (np.arange(clip.span.start, clip.span.stop) % 30_000 + 1) / 32_768
        assert clip.samples.shape == (SPEC.clip_samples,)
        np.testing.assert_array_equal(heard, expected.astype(np.float32))


@settings(deadline=None, max_examples=40)
@given(runs)
def test_every_clip_lies_inside_one_contiguous_stretch_and_at_its_end(stretches: list[tuple[int, bool, int]]) -> None:
    steps = expanded(stretches)
    position, received = 0, []
    for skipped, _ in steps:
        position += skipped * FRAME
        received.append(position)
        position += FRAME
    heard = set(received)
    for came_at, clip in run(steps):
        assert all(start in heard for start in range(clip.span.start, clip.span.stop, FRAME))
        assert clip.span.stop <= came_at + FRAME


@settings(deadline=None, max_examples=40)
@given(runs)
def test_every_open_moment_is_in_some_clip(stretches: list[tuple[int, bool, int]]) -> None:
    subject, position, spans, opened = clipper(), 0, [], []
    for skipped, active in expanded(stretches):
        position += skipped * FRAME
        spans += [clip.span for clip in push(subject, position, active)]
        opened += [position] * (active or subject.open)
        position += FRAME
    spans += [clip.span for clip in subject.finish()]
    for start in opened:
        assert any(span.start <= start and start + FRAME <= span.stop for span in spans)


@settings(deadline=None, max_examples=40)
@given(runs)
def test_no_clip_comes_twice(stretches: list[tuple[int, bool, int]]) -> None:
    stops = [clip.span.stop for _, clip in run(expanded(stretches))]
    assert stops == sorted(set(stops))


def test_the_first_clip_comes_a_quarter_second_after_the_gate_opens_and_then_one_each_hop() -> None:
    quiet, loud = [(0, False)] * 100, [(0, True)] * 100
    stops = [clip.span.stop / RATE for _, clip in run(quiet + loud)]
    assert stops == [2.26, 2.76, 3.26, 3.76, 4.0]


def test_pre_roll_fills_the_front_of_the_first_clip() -> None:
    _, first = run([(0, False)] * 200 + [(0, True)] * 20)[0]
    assert len(first.span) == SPEC.clip_samples


def test_the_front_of_a_clip_at_the_start_of_a_stream_is_quiet_noise() -> None:
    _, first = run([(0, True)] * 20)[0]
    padding = first.samples[: len(first.samples) - len(first.span)]
    assert -82 < 20 * np.log10(padding.std()) < -78


def test_a_gap_discards_the_partial_clip() -> None:
    clips = [clip for _, clip in run([(0, True)] * 50 + [(10, True)] + [(0, True)] * 30)]
    assert {clip.span.start for clip in clips if clip.span.stop > 50 * FRAME} == {60 * FRAME}


def test_the_gate_is_held_open_for_the_hang_over() -> None:
    _, last = run([(0, True)] * 10 + [(0, False)] * 200, hang_over_s=0.4)[-1]
    assert last.span.stop == (10 + 20) * FRAME


def test_an_event_under_way_keeps_clips_coming() -> None:
    subject = clipper()
    list(push(subject, 0, active=True))
    clips = [clip for i in range(1, 300) for clip in push(subject, i * FRAME, active=False, held=True)]
    assert len(clips) == 12


def test_activity_is_the_latest_stretch_with_short_pauses_bridged() -> None:
    steps = [(0, False)] * 50 + [(0, True)] * 10 + [(0, False)] * 5 + [(0, True)] * 10
    _, last = run(steps)[-1]
    assert (last.context.activity.start, last.context.activity.stop) == (50 * FRAME, 75 * FRAME)


def test_the_level_is_that_of_the_loudest_tenth_of_a_second() -> None:
    subject = clipper()
    levels = [-60.0] * 20 + [-20.0] * 5 + [-60.0] * 20
    clips = [clip for i, level in enumerate(levels) for clip in push(subject, i * FRAME, active=True, level_dbfs=level)]
    assert max(round(clip.context.level_dbfs, 1) for clip in clips) == -20.0


def test_without_a_hang_over_a_steady_sound_is_still_cut_once_a_hop() -> None:
    stops = [clip.span.stop / RATE for _, clip in run([(0, True)] * 100, hang_over_s=0.0)]
    assert stops == [0.26, 0.76, 1.26, 1.76, 2.0]


@settings(deadline=None, max_examples=40)
@given(runs, st.integers(1, 40))
def test_clips_do_not_depend_on_how_frames_are_grouped_into_blocks(
    stretches: list[tuple[int, bool, int]], size: int
) -> None:
    steps = expanded(stretches)
    subject, position, clips = clipper(), 0, []
    while steps:
        position += steps[0][0] * FRAME
        block = 1 + next((i for i, step in enumerate(steps[1:size]) if step[0]), len(steps[1:size]))
        active, steps = np.array([flag for _, flag in steps[:block]]), steps[block:]
        clips += list(subject.push(frames(position, *[-60.0] * block), active, lambda: False))
        position += block * FRAME
    clips += list(subject.finish())
    alone = [clip for _, clip in run(expanded(stretches))]
    assert [(c.span, c.context.activity) for c in clips] == [(c.span, c.context.activity) for c in alone]
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(clips, alone, strict=True))


def test_an_event_that_begins_with_a_clip_holds_the_rest_of_its_block() -> None:
    clips: list[Clip] = []
    for clip in clipper(hang_over_s=0.1).push(frames(0, *[-60.0] * 100), np.arange(100) < 15, lambda: bool(clips)):
        clips.append(clip)
    stops = [clip.span.stop / RATE for clip in clips]
    assert stops == [0.26, 0.76, 1.26, 1.76]
