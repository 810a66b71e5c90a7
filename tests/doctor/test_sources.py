"""A level meter with advice: too quiet, clipping, dead, and how the gate behaves, all with their numbers."""

from dataclasses import replace

import numpy as np

from listener import config as configuration
from listener.config import Config
from listener.doctor.ambient import AmbientLevel
from listener.doctor.finding import Finding, Severity
from listener.doctor.sources import judged, sources


def room(dbfs: float = -50.0, loudest_dbfs: float = -30.0, duty: float = 0.1) -> AmbientLevel:
    levels = np.full(500, dbfs, np.float32)
    levels[-1] = loudest_dbfs
    return AmbientLevel(10.0, levels, np.arange(500) < 500 * duty, floor_dbfs=dbfs)


def found(heard: AmbientLevel) -> list[Finding]:
    return list(judged("hearing", heard))


def test_a_good_level_is_said_with_its_numbers() -> None:
    level, gate = found(room())
    assert (level.level, gate.level) == (Severity.OK, Severity.OK)
    assert level.text == "level: -50 dBFS in the middle, -30 at the loudest, in 10 s"
    assert gate.text == "the gate was open 10 % of 10 s and opened once; it takes -50 dBFS for the room"


def test_a_dead_microphone_is_a_problem_and_its_gate_says_nothing() -> None:
    (dead,) = found(replace(room(-100, -100, 0), dead=1.0))
    assert dead.level is Severity.PROBLEM
    assert "digital silence for 100 % of 10 s" in dead.text
    assert "unmute" in dead.remedy


def test_one_that_is_too_quiet_is_to_be_turned_up_and_one_that_clips_down() -> None:
    assert (found(room(-85, -75))[0].level, "up" in found(room(-85, -75))[0].remedy) == (Severity.WARNING, True)
    assert (found(room(-15, -5))[0].level, "down" in found(room(-15, -5))[0].remedy) == (Severity.WARNING, True)
    clipped = found(replace(room(), clipped=0.01))[1]
    assert clipped.level is Severity.WARNING
    assert "1 % of the samples are at full scale" in clipped.text


def test_a_gate_that_is_open_most_of_the_time_is_for_tune() -> None:
    gate = found(room(duty=0.8))[-1]
    assert gate.level is Severity.NOTE
    assert "listener tune" in gate.remedy


def with_sources(*tables: dict[str, object]) -> Config:
    parts = tuple(configuration.part("source", table) for table in tables)
    return replace(configuration.load(None), sources=parts)


def test_each_source_is_heard_whatever_the_others_do(tmp_path: "object") -> None:
    config = with_sources(
        {"kind": "stdin"},
        {"kind": "file", "path": f"{tmp_path}/absent.wav"},
        {"kind": "command", "command": ["sh", "-c", "head -c 640000 /dev/urandom; sleep 60"]},
    )
    said = {finding.check: finding for finding in sources(config, 2.0)}
    assert said["hearing stdin"].level is Severity.NOTE
    assert "absent.wav: cannot be read" in said["hearing file"].text
    assert "the gate was open" in said["hearing command"].text
