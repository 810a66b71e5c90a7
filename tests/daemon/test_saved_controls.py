"""What users change in a running daemon survives a restart, unless something newer has overtaken it."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from listener.daemon.saved_controls import SavedControls, path_for
from listener.messages import Command, State
from listener.routing.controls import Controls

CONFIGURED = {"dog_bark": 0.7, "siren": 0.6}


class Run:
    """One run of a daemon, as far as its controls go."""

    def __init__(self, path: Path, configured: dict[str, float] | None = None) -> None:
        self.tuned: dict[str, float | None] = {}
        self.controls = Controls(list(CONFIGURED), {"pets": ["dog_bark"]}, ["kitchen"], self.tuned.__setitem__)
        self.saved = SavedControls(path, self.controls, lambda: configured or CONFIGURED)
        self.saved.restore()

    def execute(self, **command: object) -> None:
        self.controls.execute(Command(**command))  # type: ignore[arg-type]
        self.saved.save()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "controls.json"


def state(path: Path) -> State:
    return Run(path).controls.state()


def test_snoozes_labels_and_thresholds_are_there_after_a_restart(path: Path) -> None:
    run = Run(path)
    run.execute(command="snooze", what="pets", for_s=600.0)
    run.execute(command="snooze", what="kitchen")
    run.execute(command="listen", what="kitchen", labels=["siren"])
    run.execute(command="threshold", what="siren", on=0.5)
    again = Run(path)
    restored, before = again.controls.state(), run.controls.state()
    assert again.tuned == {"siren": 0.5}
    assert (restored.listening_for, restored.thresholds) == ({"kitchen": ["siren"]}, {"siren": 0.5})
    assert restored.snoozed["kitchen"] is None
    until, expected = (datetime.fromisoformat(each.snoozed["pets"] or "") for each in (restored, before))
    assert abs(until - expected) < timedelta(seconds=2)


def test_what_was_taken_back_stays_so(path: Path) -> None:
    run = Run(path)
    run.execute(command="snooze", what="siren")
    run.execute(command="wake", what="siren")
    assert state(path).snoozed == {}


def test_nothing_is_written_until_something_changes(path: Path) -> None:
    run = Run(path)
    run.saved.save()
    assert not path.exists()
    run.execute(command="snooze", what="siren")
    assert path.stat().st_mode & 0o077 == 0


def test_a_snooze_that_has_run_out_meanwhile_is_not_restored(path: Path) -> None:
    path.parent.mkdir()
    ran_out = datetime.fromtimestamp(time.time() - 5, UTC).isoformat()
    path.write_text(json.dumps({"snoozed": {"siren": ran_out, "kitchen": None}}))
    assert set(state(path).snoozed) == {"kitchen"}


def test_a_threshold_gives_way_to_a_configuration_that_was_changed_since(path: Path) -> None:
    Run(path).execute(command="threshold", what="siren", on=0.5)
    assert Run(path, configured={"siren": 0.8}).controls.state().thresholds == {}
    assert state(path).thresholds == {"siren": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"snoozed": 3, "thresholds": {"siren": 0.5, "dog_bark": ["x", 0.7]}, "listening_for": {"kitchen": 1}}',
    ],
)
def test_a_damaged_file_restores_nothing(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert state(path) == State(snoozed={}, listening_for={}, thresholds={})


def test_names_that_are_gone_are_left_out_and_the_others_restored(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"snoozed": {"cow": None, "siren": None}, "listening_for": {"attic": ["siren"]}}))
    assert state(path).snoozed == {"siren": None}


def test_a_pipe_in_place_of_the_file_holds_nothing_up(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    assert state(path).snoozed == {}
    Run(path).execute(command="snooze", what="siren")
    assert path.is_file()


def test_a_folder_that_cannot_be_written_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("")
    run = Run(tmp_path / "state" / "controls.json")
    caplog.clear()
    run.execute(command="snooze", what="siren")
    run.execute(command="wake", what="siren")
    assert [record.levelname for record in caplog.records if record.levelno > 20] == ["WARNING"]


def test_each_configuration_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert len({path_for(None), path_for(tmp_path / "a.toml"), path_for(tmp_path / "b.toml")}) == 3
