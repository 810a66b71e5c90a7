"""Lines that wait on disk: in order, bounded, over restarts and kills, whatever lies at their path."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from listener.errors import SinkError
from listener.spool import Spool


def lines(spool: Spool) -> list[bytes]:
    return [line for _, line in spool.first(10_000)]


def test_lines_come_out_in_order_and_stay_until_they_are_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    for number in range(5):
        spool.put(b"%d" % number)
    assert [line for _, line in spool.first(2)] == [b"0", b"1"]
    spool.remove(spool.first(1)[0][0])
    assert lines(spool) == [b"1", b"2", b"3", b"4"]
    assert len(spool) == 4


def test_what_waits_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Spool(tmp_path / "deep" / "spool.db")
    first.put(b"a line")
    first.close()
    again = Spool(tmp_path / "deep" / "spool.db")
    assert (lines(again), len(again)) == ([b"a line"], 1)


def test_too_many_are_dropped_oldest_first_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", most=3)
    for number in range(5):
        spool.put(b"%d" % number)
    assert (lines(spool), spool.dropped, len(spool)) == ([b"2", b"3", b"4"], 2, 3)


def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    now = 0.0
    spool = Spool(tmp_path / "spool.db", oldest_s=60, clock=lambda: now)
    spool.put(b"old")
    now = 61.0
    spool.put(b"new")
    assert (lines(spool), spool.dropped) == ([b"new"], 1)


KILLED = """
import os, sys
from pathlib import Path
from listener.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in range(10_000):
    spool.put(b"%d" % number)
    if number == 200:
        print("now", flush=True)
"""


def test_a_kill_loses_nothing_that_was_put(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    found = lines(Spool(path))
    assert len(found) > 200
    assert found == [b"%d" % number for number in range(len(found))]


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"this is no database, and never was one" * 100)
    spool = Spool(path)
    spool.put(b"on it goes")
    assert lines(spool) == [b"on it goes"]
    assert "is damaged" in caplog.text
    assert len(list(tmp_path.glob("spool.db.damaged-*"))) == 1


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(SinkError, match="newer listener"):
        Spool(path)
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"cannot be used"):
        Spool(tmp_path)


def test_a_full_disk_is_a_sink_error_and_nothing_is_lost() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(SinkError):
        Spool(full)
