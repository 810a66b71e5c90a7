"""`python -m soak` hurts a real daemon, says what held, and fails where something did not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from soak.__main__ import main
from soak.microphone import CONFIG
from soak.plan import SoakError
from soak.recovery import Recoveries
from soak.running import Running, Watcher
from tests.virtual import VirtualMic

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kill", "lines"])
def test_a_part_at_its_smallest_holds_and_is_written(tmp_path: Path, part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--only", part, "--scale", "0.01", "--json", str(tmp_path / "j")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "j").read_text())
    assert {row["verdict"] for row in report["rows"]} == {"held"}


def test_an_unknown_part_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "nonsense"])
    assert "unplug" in capsys.readouterr().err


def test_a_microphone_that_stays_away_is_no_recovery(virtual_mic: VirtualMic, tmp_path: Path) -> None:
    with Running(tmp_path / "d", CONFIG) as daemon:
        daemon.listens()
        with Watcher(daemon.socket) as watcher:
            recoveries = Recoveries("x", daemon, watcher, "microphone", patience_s=6.0)
            virtual_mic("unplug")
            watcher.settled("microphone")
            with pytest.raises(SoakError, match="heard again"):
                recoveries.wait()


def test_a_daemon_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        Running(tmp_path / "d", '[[source]]\nkind = "nonsense"\n') as daemon,
        pytest.raises(SoakError, match="status 2"),
    ):
        daemon.listens()
