"""Blocks of any size and rate become frames on the grid; a gap is never bridged."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.pipeline.framer import Framer
from listener.pipeline.values import SILENT_DBFS, Block, Frames, Pcm, Span

RATES = (8000, 16000, 22050, 44100, 48000)
FRAME = 320


def noise(samples: int, channels: int = 1, seed: int = 0) -> Pcm:
    return np.random.default_rng(seed).integers(-9000, 9000, (samples, channels), dtype=np.int16)


def tone(rate: int, seconds: float, hz: float = 440.0) -> Pcm:
    return (12000 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.int16)[:, None]


def blocks(audio: Pcm, rate: int, sizes: list[int], start: int = 0) -> list[Block]:
    """The audio cut into blocks of these sizes, the last one taking the rest."""
    edges = [edge for edge in np.cumsum([0, *sizes]).tolist() if edge < len(audio)] + [len(audio)]
    return [Block(start + a, rate, audio[a:b]) for a, b in pairwise(edges)]


class Frame(NamedTuple):
    span: Span
    pcm: Pcm
    level_dbfs: float


def single(stream: Iterable[Frames]) -> list[Frame]:
    """The frames of blocks, one by one."""
    return [
        Frame(Span(start, start + frames.frame_samples), pcm, float(level))
        for frames in stream
        for start, pcm, level in zip(
            range(frames.start, frames.stop, frames.frame_samples), frames.pcm, frames.levels_dbfs, strict=True
        )
    ]


def framed(given: list[Block], rate: int = 16000) -> list[Frame]:
    framer = Framer(rate)
    return single([*framer.frames(given), *framer.flush()])


def joined(frames: list[Frame]) -> Pcm:
    return np.concatenate([frame.pcm for frame in frames])


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    channels=st.integers(1, 3),
    samples=st.integers(1, 6000),
    sizes=st.lists(st.integers(0, 1500), max_size=12),
)
def test_any_split_of_the_same_audio_gives_the_same_frames(
    rate: int, channels: int, samples: int, sizes: list[int]
) -> None:
    audio = noise(samples, channels)
    whole, split = framed([Block(0, rate, audio)]), framed(blocks(audio, rate, sizes))
    assert [frame.span for frame in split] == [frame.span for frame in whole]
    assert np.array_equal(joined(split), joined(whole))


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    pieces=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 3000)), min_size=1, max_size=10),
)
def test_frames_lie_on_the_grid_and_never_hold_two_moments(rate: int, pieces: list[tuple[int, int]]) -> None:
    # Every stretch between two gaps has a value of its own: a frame that holds two values is a splice.
    stream, at, value = [], 0, 1000
    for gap, samples in pieces:
        at, value = at + gap, value + (1000 if gap else 0)
        stream.append(Block(at, rate, np.full((samples, 1), value, np.int16)))
        at += samples
    frames = framed(stream)
    starts = [frame.span.start for frame in frames]
    assert all(
        start % FRAME == 0 and len(frame.span) == len(frame.pcm) == FRAME
        for start, frame in zip(starts, frames, strict=True)
    )
    assert all(later - earlier >= FRAME for earlier, later in pairwise(starts))
    for frame in frames[:-1]:  # the last one may be filled up with zeros
        assert len(_values_at(stream, frame.span, rate)) == 1


def _values_at(stream: list[Block], span: Span, rate: int) -> set[int]:
    """The values of the blocks that lie under a span of frames, a sample of rounding left aside."""
    first, last = span.start * rate // 16000 + 1, (span.stop - 1) * rate // 16000 - 1
    return {int(b.pcm[0, 0]) for b in stream if b.start <= last and first < b.start + len(b.pcm)}


def test_a_gap_between_two_frames_is_seen_in_their_spans() -> None:
    stream = [Block(0, 16000, noise(FRAME)), Block(FRAME + 1, 16000, noise(3 * FRAME))]
    assert [frame.span.start for frame in single(Framer(16000).frames(stream))] == [0, 2 * FRAME, 3 * FRAME]


def test_a_partial_frame_waits_for_the_next_call() -> None:
    framer, audio = Framer(16000), noise(500)
    first = single(framer.frames([Block(0, 16000, audio[:200])]))
    second = single(framer.frames([Block(200, 16000, audio[200:])]))
    assert first == []
    assert np.array_equal(second[0].pcm, audio[:FRAME, 0])


def test_a_gap_discards_the_partial_frame_and_counts_as_lost() -> None:
    framer = Framer(16000)
    frames = single(framer.frames([Block(0, 16000, noise(500)), Block(16500, 16000, noise(500, seed=1))]))
    assert [frame.span.start for frame in frames] == [0, 16640]
    assert np.array_equal(frames[1].pcm, noise(500, seed=1)[140:460, 0])
    assert framer.lost_s == pytest.approx(1.0)


def test_the_end_fills_the_last_frame_with_zeros() -> None:
    frames = framed([Block(0, 16000, noise(100))])
    assert len(frames) == 1
    assert not frames[0].pcm[100:].any()


def test_flushing_whole_frames_adds_none() -> None:
    assert len(framed([Block(0, 16000, noise(2 * FRAME))])) == 2


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_resampling_moves_no_sound_in_time(rate: int) -> None:
    click = np.zeros((rate, 1), np.int16)
    click[rate // 2] = 30000
    heard = joined(framed(blocks(click, rate, [rate // 25] * 25)))
    assert abs(int(np.argmax(np.abs(heard))) - 8000) <= 2


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 192000])
def test_a_tone_keeps_its_pitch_and_level(rate: int) -> None:
    frames = framed([Block(0, rate, tone(rate, 2.0))])
    heard = joined(frames)[:32000]
    assert np.argmax(np.abs(np.fft.rfft(heard))) / 2 == pytest.approx(440, abs=1)
    assert frames[50].level_dbfs == pytest.approx(20 * np.log10(12000 / 32768) - 3.01, abs=0.1)


def test_a_live_frame_comes_soon_after_its_audio() -> None:
    framer = Framer(16000)
    frames = single(framer.frames(blocks(tone(48000, 1.0), 48000, [1920] * 25)))
    assert frames[-1].span.stop >= 16000 - 1600


def test_channels_are_mixed_to_one() -> None:
    square = np.tile([1000, -1000], FRAME // 2)
    stereo = np.column_stack([square, 3 * square]).astype(np.int16)
    assert (framed([Block(0, 16000, stereo)])[0].pcm == 2 * square).all()


def room_with_offset(seconds: float, offset: float) -> Pcm:
    room = np.random.default_rng(3).normal(0, 33, round(16_000 * seconds))  # -60 dBFS
    return np.rint(room + 32_768 * offset).astype(np.int16)[:, None]


@pytest.mark.parametrize("offset", [0.05, -0.3])
@pytest.mark.parametrize("block_s", [0.02, 0.16, 1.0])
def test_a_constant_offset_is_removed_from_the_first_frame_on(offset: float, block_s: float) -> None:
    frames = framed(blocks(room_with_offset(4, offset), 16000, [round(16000 * block_s)] * 300))
    assert [frame.level_dbfs for frame in frames] == pytest.approx([-60] * 200, abs=1.5)
    assert abs(joined(frames).mean()) < 5


def test_an_offset_that_changes_is_followed_within_seconds() -> None:
    frames = framed([Block(0, 16000, np.concatenate([room_with_offset(2, 0.0), room_with_offset(8, 0.05)]))])
    assert frames[101].level_dbfs > -30
    assert frames[-1].level_dbfs == pytest.approx(-60, abs=1.5)


def test_after_a_gap_the_offset_is_that_of_the_device_that_comes_back() -> None:
    frames = framed([Block(0, 16000, room_with_offset(2, 0.05)), Block(64000, 16000, room_with_offset(2, -0.05))])
    assert max(frame.level_dbfs for frame in frames) < -57


def test_audio_without_an_offset_passes_unchanged() -> None:
    beep = tone(16000, 2.0, 1000.0)
    assert np.array_equal(joined(framed([Block(0, 16000, beep)])), beep[:, 0])


def test_full_scale_stays_in_range_when_resampled() -> None:
    square = np.tile(np.repeat(np.array([32767, -32768], np.int16), 600), 20)[:, None]
    plateaus = joined(framed([Block(0, 48000, square)]))[: 20 * 200].reshape(20, 200)[:, 2:-2]
    assert (plateaus[0::2] > 0).all()  # the filter overshoots beside the edges; a wrap round would change the sign
    assert (plateaus[1::2] < 0).all()


def test_another_rate_starts_afresh_at_the_same_second() -> None:
    frames = framed([Block(0, 48000, noise(48000)), Block(16000, 16000, noise(16000))])
    assert frames[-1].span.stop == 32000
    assert len({frame.span.start for frame in frames}) == len(frames)


def test_a_block_from_the_past_does_not_make_time_go_back() -> None:
    frames = framed([Block(16000, 16000, noise(3200)), Block(16000, 16000, noise(6400))])
    starts = [frame.span.start for frame in frames]
    assert starts == sorted(set(starts))


def test_digital_silence_has_the_lowest_level() -> None:
    assert framed([Block(0, 16000, np.zeros((FRAME, 1), np.int16))])[0].level_dbfs == pytest.approx(SILENT_DBFS)


def test_the_clock_is_anchored_by_the_latest_block() -> None:
    framer = Framer(16000)
    single(framer.frames([Block(0, 16000, noise(16000), 501.0), Block(16000, 16000, noise(16000), 502.5)]))
    assert framer.clock_offset_s == pytest.approx(500.5)


def test_blocks_without_a_time_give_no_clock() -> None:
    framer = Framer(16000)
    single(framer.frames([Block(0, 16000, noise(16000))]))
    assert framer.clock_offset_s is None


def test_an_empty_stream_gives_nothing() -> None:
    assert framed([]) == []
    assert framed([Block(0, 48000, noise(0))]) == []
