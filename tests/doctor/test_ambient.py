"""How a room is measured: level, gate, digital silence, full scale; and how long a source is waited for."""

import numpy as np
import pytest

from listener.doctor.ambient import AmbientLevel, AmbientMeter, held_open, some
from listener.errors import SourceError
from listener.pipeline import gates
from listener.pipeline.framer import Framer
from listener.pipeline.gates import GateConfig, OpenGate
from listener.pipeline.values import Block, Pcm
from tests.fakes import FakeSource, blocks, noise, pcm

RATE = 16_000


def surveyed(samples: Pcm, kind: str = "bands") -> AmbientLevel:
    gate = gates.make(GateConfig(kind=kind), RATE)  # type: ignore[arg-type]
    surveyor = AmbientMeter(gate, 1.0)
    for frames in Framer(RATE).frames(surveyor.blocks(blocks(samples))):
        surveyor.on_frames(frames, gate(frames))
    return surveyor.room()


def test_a_gate_stays_open_for_the_hang_over_and_no_longer() -> None:
    active = np.zeros(200, np.bool_)
    active[[10, 12]] = True
    assert held_open(active, 1.0).nonzero()[0].tolist() == list(range(10, 62))


def test_a_quiet_room_has_its_level_and_a_closed_gate_once_the_gate_has_settled() -> None:
    room = surveyed(pcm(noise(14, -50)))
    assert room.seconds == 10
    assert room.usual_dbfs == pytest.approx(-50, abs=1)
    assert room.floor_dbfs == pytest.approx(-50, abs=3)
    assert (room.duty, room.openings, room.dead, room.clipped) == (0.0, 0, 0.0, 0.0)


def test_of_a_short_time_the_gates_settling_is_left_out_as_well_and_of_a_shorter_one_not() -> None:
    assert surveyed(pcm(noise(6, -50))).seconds == 2
    assert surveyed(pcm(noise(3, -50))).seconds == 3


def test_a_sound_opens_the_gate_once() -> None:
    samples = pcm(noise(20, -55))
    samples[10 * RATE : 11 * RATE] = pcm(noise(1, -20, seed=1))
    room = surveyed(samples)
    assert room.openings == 1
    assert room.duty == pytest.approx(2 / 16, abs=0.05)
    assert room.loudest_dbfs == pytest.approx(-20, abs=2)


def test_samples_that_are_all_the_same_are_dead_and_those_at_full_scale_clipped() -> None:
    silent = np.zeros(10 * RATE, np.int16)
    loud = np.full(10 * RATE, 100, np.int16)
    loud[::2] = 32_767
    assert surveyed(silent).dead == 1.0
    assert surveyed(loud).clipped == 0.5
    assert surveyed(loud).dead == 0.0


def test_channels_that_rest_at_values_of_their_own_are_dead_but_not_at_full_scale() -> None:
    surveyor = AmbientMeter(OpenGate(), 1.0)
    for values in (*[(-1, 3)] * 3, (32_767, 32_767)):
        list(surveyor.blocks([Block(0, RATE, np.full((RATE, 2), values, np.int16))]))
    assert (surveyor.room().dead, surveyor.room().clipped) == (0.75, 0.25)


def test_no_more_than_was_asked_for_is_taken_and_the_source_is_closed() -> None:
    source = FakeSource(blocks(pcm(noise(5, -40)), block_s=0.5))
    taken = list(some(source, 2.0, 5.0))
    assert sum(len(block.pcm) for block in taken) == 2 * RATE
    assert source.closed.is_set()


def test_a_source_that_gives_nothing_is_an_error_with_what_it_said_itself() -> None:
    with pytest.raises(SourceError) as caught:
        list(some(FakeSource([], live=True, then="wait"), 2.0, 0.1))
    assert caught.value.code == "source-silent"
    assert "(fake)" in caught.value.message


def test_a_source_that_stalls_gives_what_there_was() -> None:
    source = FakeSource(blocks(pcm(noise(1, -40)), block_s=0.5), live=True, then="wait")
    assert len(list(some(source, 1.5, 0.1))) == 2
