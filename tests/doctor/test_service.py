"""The daemon and its unit are judged by what they report."""

import msgspec
import pytest

from listener.base.version import __version__
from listener.doctor.finding import Severity
from listener.doctor.running import Running
from listener.doctor.service import judged, unit
from listener.messages import Hello, Status
from tests.sinks.messages import HELLO, status

HERE = msgspec.structs.replace(HELLO, version=__version__)
OLD = msgspec.structs.replace(HELLO, version="0.0.1")
LOST = msgspec.structs.replace(status(), sinks={"mqtt": 3, "log": 0})


@pytest.mark.parametrize(
    ("hello", "reported", "codes"),
    [
        (HERE, status(), ["daemon-running", "daemon-source-listening"]),
        (HERE, status(lost_s=0.9), ["daemon-running", "daemon-source-listening"]),
        (HERE, status(lost_s=12.3), ["daemon-running", "daemon-source-listening", "daemon-audio-lost"]),
        (HERE, status(state="recovering", detail="gone"), ["daemon-running", "daemon-source-away"]),
        (HERE, status(trouble="digital silence"), ["daemon-running", "daemon-source-trouble"]),
        (OLD, LOST, ["daemon-running", "daemon-outdated", "daemon-source-listening", "daemon-events-lost"]),
    ],
)
def test_a_daemon_is_judged_by_its_status(hello: Hello, reported: Status, codes: list[str]) -> None:
    assert [finding.code for finding in judged(Running(hello, reported))] == codes


def test_who_it_is_how_long_it_runs_and_what_it_costs_is_in_the_text() -> None:
    about, source = judged(Running(HERE, status(detail="USB, 48000 Hz")))
    assert all(fact in about.text for fact in (__version__, "process 1", "1 h 03 min", "2.0 %"))
    assert all(fact in source.text for fact in ("kitchen", "USB, 48000 Hz", "1 h 02 min"))


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        ({"ActiveState": "active", "UnitFileState": "enabled"}, ["unit-active"]),
        ({"ActiveState": "failed", "UnitFileState": "enabled", "Result": "exit-code"}, ["unit-failed"]),
        ({"ActiveState": "inactive", "UnitFileState": "enabled"}, ["unit-inactive"]),
        ({"ActiveState": "active", "UnitFileState": "static", "NRestarts": "0"}, ["unit-active"]),
        (
            {"ActiveState": "active", "UnitFileState": "disabled", "NRestarts": "4"},
            ["unit-active", "unit-disabled", "unit-restarted"],
        ),
    ],
)
def test_a_unit_is_judged_by_its_properties(facts: dict[str, str], codes: list[str]) -> None:
    assert [finding.code for finding in unit(facts)] == codes


def test_the_command_for_a_user_unit_is_in_the_remedy() -> None:
    _, disabled = unit({"ActiveState": "active", "UnitFileState": "disabled"}, "--user ")
    assert disabled.level is Severity.NOTE
    assert "systemctl --user enable listener" in disabled.remedy
