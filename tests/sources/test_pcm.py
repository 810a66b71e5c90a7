"""Every sample format means the same sound."""

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.sources.pcm import Format, Samples, amplified, decoded, from_floats


@pytest.mark.parametrize(
    ("sample_format", "audio"),
    [
        ("u8", bytes([192, 64, 128])),
        ("s16le", struct.pack("<3h", 16384, -16384, 0)),
        ("s16be", struct.pack(">3h", 16384, -16384, 0)),
        ("s24le", b"\x7f\x00\x40" + b"\x00\x00\xc0" + b"\x00\x00\x00"),
        ("s32le", struct.pack("<3i", 1 << 30, -(1 << 30), 0)),
        ("f32le", struct.pack("<3f", 0.5, -0.5, 0)),
        ("f64le", struct.pack("<3d", 0.5, -0.5, 0)),
    ],
)
def test_half_of_full_scale_is_half_of_full_scale(sample_format: Format, audio: bytes) -> None:
    assert decoded(audio, sample_format, 1).tolist() == [[16384], [-16384], [0]]


def test_what_is_no_number_is_silent_and_what_is_too_loud_is_clipped() -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 1.0, -1.0, 3e38], np.float32)
    assert from_floats(samples).tolist() == [0, 32767, -32768, 32767, -32768, 32767]


def test_int16_survives_the_way_through_floats() -> None:
    every = np.arange(-32768, 32768)
    assert np.array_equal(from_floats((every / 32768).astype(np.float32)), every)


@given(st.lists(st.integers(0, 7), max_size=40))
def test_bytes_may_come_in_any_pieces(sizes: list[int]) -> None:
    audio = bytes(range(240))
    samples = Samples("s24le", 2)
    edges = np.minimum(np.cumsum([0, *sizes, 240]), 240).tolist()
    parts = [samples(audio[a:b]) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), decoded(audio, "s24le", 2))


def test_gain_saturates() -> None:
    assert amplified(np.array([[100], [30000]], np.int16), 6.0206).tolist() == [[200], [32767]]
