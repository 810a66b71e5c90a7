"""Gates miss nothing that is to be reported, and close on steady noise."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from listener.pipeline.framer import Framer
from listener.pipeline.gates import BANDS, GateConfig, _band_matrix, make
from listener.pipeline.values import SILENT_DBFS, Floats, Frames
from tests.conftest import shared_recording
from tests.fakes import FRAME, SPEC, blocks, noise, pcm

RATE = SPEC.sample_rate


def frames(samples: Floats, size: int = 8) -> Iterator[Frames]:
    """Blocks of `size` frames."""
    return Framer(RATE).frames(blocks(pcm(samples), block_s=size / 50))


def barking() -> Floats:
    """The second around the loudest moment of a real bark."""
    whole = shared_recording("dog_bark", RATE)
    loudest = int(np.argmax(np.abs(whole)))
    return whole[max(0, loudest - RATE // 2) : loudest + RATE // 2]


def opened(kind: str, samples: Floats, size: int = 8) -> np.ndarray:
    gate = make(GateConfig(kind=kind), RATE)  # type: ignore[arg-type]
    return np.concatenate([gate(block) for block in frames(samples, size)])


@pytest.mark.parametrize("kind", ["webrtc", "bands", "either"])
def test_steady_noise_opens_nothing(kind: str) -> None:
    assert not opened(kind, noise(60, -50))[20 * 50 :].any()


@pytest.mark.parametrize("kind", ["webrtc", "bands", "either"])
def test_a_bark_30_db_over_the_room_opens_within_a_fifth_of_a_second(kind: str) -> None:
    room = noise(25, -60)
    bark = barking()
    onset = int(np.argmax(np.abs(bark) > 0.1 * np.abs(bark).max()))
    room[20 * RATE : 20 * RATE + len(bark)] += bark / np.abs(bark).max() * 0.1
    first = np.flatnonzero(opened(kind, room)[20 * 50 :])[0] * FRAME
    assert first - onset < 0.2 * RATE


def test_a_quiet_tick_opens_the_bands_gate() -> None:
    room = noise(12, -60)
    room[10 * RATE : 10 * RATE + 800] += noise(0.05, -42, seed=1)
    assert opened("bands", room)[10 * 50 :].any()


def test_a_stream_that_opens_in_the_middle_of_a_sound_is_heard() -> None:
    assert opened("either", noise(1, -40))[:10].any()


def test_a_fan_that_is_switched_on_closes_again() -> None:
    said = opened("either", np.concatenate([noise(10, -70), noise(50, -40, seed=2)]))
    assert said[10 * 50 : 11 * 50].any()
    assert not said[55 * 50 :].any()


def test_the_floor_is_near_the_level_of_the_room() -> None:
    gate = make(GateConfig(kind="either"), RATE)
    for quiet in frames(noise(20, -50)):
        gate(quiet)
    assert gate.floor_dbfs == pytest.approx(-50, abs=2)


def test_open_is_always_open() -> None:
    assert opened("open", np.zeros(RATE, np.float32)).all()


def test_either_opens_whenever_one_of_its_gates_does() -> None:
    bark = np.concatenate([noise(5, -60), barking()])
    either = opened("either", bark)
    assert (either == (opened("webrtc", bark) | opened("bands", bark))).all()


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000, 48_000])
def test_the_gate_is_made_for_every_rate_that_a_bundle_may_have(rate: int) -> None:
    gate = make(GateConfig(), rate)
    assert (
        gate(Frames(0, np.zeros((3, rate // 50), np.int16), np.full(3, SILENT_DBFS, np.float32))).tolist()
        == [False] * 3
    )


@pytest.mark.parametrize("kind", ["webrtc", "bands", "either", "open"])
def test_what_a_gate_says_does_not_depend_on_the_size_of_blocks(kind: str) -> None:
    sound = np.concatenate([noise(4, -60), noise(0.5, -30, seed=1), noise(2, -60, seed=2)])
    assert (opened(kind, sound, 1) == opened(kind, sound, 50)).all()


def test_importing_a_stage_loads_no_configuration_database_or_routing() -> None:
    code = (
        "import sys, listener.pipeline.gates, listener.pipeline.clipper, listener.pipeline.tracker\n"
        "print(*(name for name in sys.modules if name.startswith('listener.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    allowed = ("listener.pipeline", "listener.base", "listener.errors", "listener.messages")
    assert [name for name in loaded if not name.startswith(allowed)] == []


def test_the_bands_share_the_spectrum_between_them() -> None:
    hz = np.repeat(np.fft.rfftfreq(320, 1 / RATE), 2)
    bands = _band_matrix(320, RATE)
    assert bands.sum(axis=0) == pytest.approx([2.0] * BANDS, abs=1e-4)  # a mean over real and imaginary parts
    owned = hz[(bands > 0).any(axis=1)]
    assert (owned.min(), owned.max()) == (100.0, 7550.0)
    assert ((bands > 0).sum(axis=1) <= 1).all()
    edges = [(hz[band > 0].min(), hz[band > 0].max()) for band in bands.T]
    assert all(before[1] < after[0] for before, after in pairwise(edges))
    assert edges[0] == (100.0, 150.0)
    assert np.repeat(np.fft.rfftfreq(160, 1 / 8000), 2)[(_band_matrix(160, 8000) > 0).any(axis=1)].max() == 3750.0


def test_the_bands_gate_closes_at_once_when_a_sound_ends() -> None:
    said = opened("bands", np.concatenate([noise(10, -60), noise(0.5, -30, seed=1), noise(2, -60, seed=2)]))
    (active,) = said[500:].nonzero()
    assert active.max() <= 27
    assert said[501:525].all()


def test_its_floor_comes_up_quickly_in_the_first_four_seconds() -> None:
    gate = make(GateConfig(kind="bands"), RATE)
    floors = []
    for block in frames(noise(8, -50), 1):
        gate(block)
        floors.append(gate.floor_dbfs or 0.0)
    assert floors[198] - floors[98] == pytest.approx(20.0, abs=0.1)
    assert floors[300] - floors[200] == pytest.approx(2.0, abs=0.1)
