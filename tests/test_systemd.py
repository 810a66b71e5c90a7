"""The unit is one that systemd takes, and it keeps the service in its sandbox."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[1] / "systemd" / "listener.service"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")


def test_systemd_finds_nothing_to_say_about_the_unit() -> None:
    done = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "listener.service" in line]
    assert (done.returncode, about_ours) == (0, [])


def test_the_service_is_exposed_by_two_of_ten_at_most() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]
