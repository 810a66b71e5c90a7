"""Encoded audio is recognised by its first bytes, and samples are not taken for it."""

import numpy as np
import pytest

from listener.sources.containers import recognised, undecided_bytes
from tests.sources.streams import ENCODED, adts, mpeg_layer, noise, transport_stream


@pytest.mark.parametrize("name", ENCODED)
def test_encoded_audio_is_recognised(name: str) -> None:
    assert name.split(maxsplit=1)[0] in recognised(ENCODED[name])


@pytest.mark.parametrize("stream", [adts(2), mpeg_layer(3), transport_stream(2)])
def test_a_sync_word_counts_only_with_a_second_one(stream: bytes) -> None:
    wanted = undecided_bytes(stream[:12])
    assert 12 < wanted <= len(stream)
    assert recognised(stream[:wanted])
    assert not recognised(stream[: wanted - 10])
    assert undecided_bytes(stream[:wanted]) == 0


@pytest.mark.parametrize("seed", range(50))
def test_noise_is_not_recognised(seed: int) -> None:
    assert recognised(noise(0.2, seed=seed).tobytes()) == ""


@pytest.mark.parametrize("value", [-1, 0, 0x4747, -16, 0x5656, 0x770B])
def test_a_constant_value_is_not_recognised(value: int) -> None:
    assert recognised(np.full(4000, value, "<i2").tobytes()) == ""
