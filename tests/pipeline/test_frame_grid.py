"""Frame scores say where in the stream a sound is."""

import numpy as np

from listener.pipeline.frame_grid import FrameGrid, frame_grid
from listener.pipeline.values import Floats, Span
from tests.fakes import SPEC

GRID = FrameGrid(clip=48_000, centre=256, step=1_280, bridge=9_600)


def scores(*hot: int) -> Floats:
    return np.array([0.9 if index in hot else 0.1 for index in range(38)], dtype=np.float32)


def test_a_frame_is_its_step_around_its_centre() -> None:
    assert GRID.sounds(scores(10), 0.5, Span(0, 48_000), 0) == [Span(12_416, 13_696)]


def test_the_frames_of_a_later_clip_lie_later() -> None:
    assert GRID.sounds(scores(10), 0.5, Span(8_000, 56_000), 0) == [Span(20_416, 21_696)]


def test_a_short_pause_is_bridged_and_a_long_one_is_not() -> None:
    assert len(GRID.sounds(scores(10, 17), 0.5, Span(0, 48_000), 0)) == 1
    assert len(GRID.sounds(scores(10, 19), 0.5, Span(0, 48_000), 0)) == 2


def test_nothing_is_over_the_threshold_nowhere() -> None:
    assert GRID.sounds(scores(), 0.5, Span(0, 48_000), 0) == []


def test_a_sound_ends_with_the_clip_and_not_after_it() -> None:
    assert GRID.sounds(scores(36, 37), 0.5, Span(0, 48_000), 0)[-1].stop == 48_000


def test_frames_in_the_padding_of_a_clip_say_nothing() -> None:
    assert GRID.sounds(scores(0, 30), 0.5, Span(0, 16_000), 0) == [Span(6_016, 7_296)]


def test_frames_before_a_given_moment_say_nothing() -> None:
    assert GRID.sounds(scores(10, 30), 0.5, Span(0, 48_000), 20_000) == [Span(38_016, 39_296)]


def test_a_model_without_frames_has_no_grid() -> None:
    assert frame_grid(SPEC, 0.0) is None
    assert frame_grid(SPEC, 0.08) == GRID
