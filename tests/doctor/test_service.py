"""The daemon and its unit, in words."""

import msgspec
import pytest

from listener.base.version import __version__
from listener.doctor.finding import Severity
from listener.doctor.running import Running
from listener.doctor.service import judged, unit
from tests.sinks.messages import HELLO, status

HERE = msgspec.structs.replace(HELLO, version=__version__)


def test_a_daemon_that_is_well_says_who_it_is_and_how_long_it_runs() -> None:
    about, source = judged(Running(HERE, status(detail="USB, 48000 Hz")))
    assert (about.level, source.level) == (Severity.OK, Severity.OK)
    assert about.text == f"listener {__version__} runs as process 1 for 1 h 03 min, with 2.0 % of one core"
    assert source.text == "kitchen is listening (USB, 48000 Hz), 1 h 02 min so far"


def test_a_microphone_that_is_away_is_a_problem_and_lost_audio_a_warning() -> None:
    _, away, lost = judged(Running(HERE, status(state="recovering", detail="the device went away", lost_s=12.3)))
    assert (away.level, away.text) == (Severity.PROBLEM, "kitchen is recovering: the device went away")
    assert (lost.level, lost.text) == (Severity.WARNING, "kitchen has lost 12.3 s of audio since the daemon started")


def test_one_that_hears_nothing_a_microphone_hears_is_a_warning() -> None:
    _, trouble = judged(Running(HERE, status(trouble="only digital silence for 10 s: is it muted?")))
    assert (trouble.level, "digital silence" in trouble.text) == (Severity.WARNING, True)


def test_a_daemon_of_another_version_is_to_be_restarted_and_lost_events_are_said() -> None:
    old = msgspec.structs.replace(HELLO, version="0.0.1")
    _, version, _, lost = judged(Running(old, msgspec.structs.replace(status(), sinks={"mqtt": 3})))
    assert "restart" in version.remedy
    assert lost.text == "sink mqtt has lost 3 events"


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        ({"ActiveState": "active", "UnitFileState": "enabled"}, Severity.OK, "the unit is active"),
        ({"ActiveState": "failed", "UnitFileState": "enabled", "Result": "exit-code"}, Severity.PROBLEM, "has failed"),
        ({"ActiveState": "inactive", "UnitFileState": "enabled"}, Severity.NOTE, "is inactive"),
    ],
)
def test_a_unit_is_what_systemd_says_of_it(facts: dict[str, str], level: Severity, says: str) -> None:
    (found,) = unit(facts)
    assert found.level is level
    assert says in found.text


def test_a_unit_that_is_not_enabled_or_was_restarted_is_said_with_the_command() -> None:
    facts = {"ActiveState": "active", "UnitFileState": "disabled", "NRestarts": "4"}
    _, enabled, restarts = unit(facts, "--user ")
    assert enabled.remedy == "systemctl --user enable listener"
    assert "restarted 4 times" in restarts.text
    assert "journalctl --user -u listener" in restarts.remedy
