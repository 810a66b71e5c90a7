"""A level meter with advice: too quiet, overload, digital silence, and how the gate behaves."""

from dataclasses import replace

import numpy as np
import pytest

from listener import config as configuration
from listener.config import Config
from listener.doctor.ambient import AmbientLevel
from listener.doctor.finding import Severity
from listener.doctor.sources import judged, sources


def room(dbfs: float = -50.0, loudest_dbfs: float = -30.0, duty: float = 0.1) -> AmbientLevel:
    levels = np.full(500, dbfs, np.float32)
    levels[-1] = loudest_dbfs
    return AmbientLevel(10.0, levels, np.arange(500) < 500 * duty, floor_dbfs=dbfs)


@pytest.mark.parametrize(
    ("measured", "codes"),
    [
        (room(), ["level-good", "gate-good"]),
        (room(-76, -66), ["level-low", "gate-good"]),
        (room(-76, -64), ["level-good", "gate-good"]),
        (room(-24, -5), ["level-high", "gate-good"]),
        (replace(room(), clipped=0.001), ["level-good", "level-overload", "gate-good"]),
        (replace(room(-100, -100), dead=0.6), ["level-dead"]),
        (replace(room(), dead=0.4), ["level-good", "gate-good"]),
        (room(duty=0.6), ["level-good", "gate-busy"]),
        (AmbientLevel(10.0, np.zeros(0, np.float32), np.zeros(0, np.bool_)), ["level-none"]),
    ],
)
def test_a_room_is_judged_by_its_numbers(measured: AmbientLevel, codes: list[str]) -> None:
    assert [finding.code for finding in judged("source", measured)] == codes


def test_the_numbers_are_in_the_findings() -> None:
    level, overload, gate = judged("source", replace(room(), clipped=0.013))
    assert all(number in level.text for number in ("-50 dBFS", "-30 dBFS", "10 s"))
    assert "1.3 %" in overload.text
    assert all(number in gate.text for number in ("10 %", "once", "-50 dBFS"))
    assert (level.level, overload.level, gate.level) == (Severity.OK, Severity.WARNING, Severity.OK)


def with_sources(*tables: dict[str, object]) -> Config:
    parts = tuple(configuration.part("source", table) for table in tables)
    return replace(configuration.load(None), sources=parts)


def test_each_source_is_checked_whatever_the_others_do(tmp_path: "object") -> None:
    config = with_sources(
        {"kind": "stdin"},
        {"kind": "file", "path": f"{tmp_path}/absent.wav"},
        {"kind": "command", "command": ["sh", "-c", "head -c 640000 /dev/urandom; sleep 60"]},
    )
    found = {finding.check: finding for finding in sources(config, 2.0)}
    assert found["source stdin"].code == "source-stdin"
    assert found["source file"].level is Severity.PROBLEM
    assert found["source command"].code.startswith("gate-")
