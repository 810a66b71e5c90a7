"""Lines that wait on disk: in order, bounded, over restarts and kills, whatever lies at their path."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from listener.storage.spool import Spool, open_spool, spool_name
from tests.raising import raises


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
    spool = Spool(tmp_path / "spool.db", max_lines=3)
    for number in range(5):
        spool.put(b"%d" % number)
    assert (lines(spool), spool.dropped, len(spool)) == ([b"2", b"3", b"4"], 2, 3)


def test_a_line_that_was_dropped_while_it_was_on_its_way_is_counted_off_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", max_lines=3)
    for number in range(3):
        spool.put(b"%d" % number)
    on_its_way, _ = spool.first(1)[0]
    spool.put(b"3")
    spool.remove(on_its_way)
    assert (lines(spool), len(spool), spool.dropped) == ([b"1", b"2", b"3"], 3, 1)
    for number, _ in spool.first(3):
        spool.remove(number)
    assert (lines(spool), len(spool)) == ([], 0)


def test_lines_from_before_in_a_file_that_cannot_be_read_keep_nobody_from_going_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Spool(tmp_path / "spool.db")
    before.put(b"old")
    before.close()
    spool = Spool(tmp_path / "spool.db")
    with sqlite3.connect(tmp_path / "spool.db") as damage:
        damage.execute("ALTER TABLE waiting RENAME TO away")
    damage.close()
    assert spool.first(5) == []
    spool.put(b"new")
    assert lines(spool) == [b"new"]
    assert "wait in memory" in caplog.text


def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    now = 0.0
    spool = Spool(tmp_path / "spool.db", max_age_s=60, ticks=lambda: now)
    spool.put(b"old")
    now = 61.0
    spool.put(b"new")
    assert (lines(spool), spool.dropped) == ([b"new"], 1)


def test_what_is_too_old_from_before_is_dropped_by_the_wall_clock(tmp_path: Path) -> None:
    before = Spool(tmp_path / "spool.db", clock=lambda: 1000.0)
    before.put(b"old")
    before.close()
    spool = Spool(tmp_path / "spool.db", max_age_s=60, clock=lambda: 1061.0)
    assert (lines(spool), spool.dropped) == ([], 1)


def test_a_wall_clock_set_forward_drops_nothing_that_came_since_the_start(tmp_path: Path) -> None:
    now = 0.0
    spool = Spool(tmp_path / "spool.db", max_age_s=60, clock=lambda: now, ticks=lambda: 5.0)
    spool.put(b"an alarm, before the time was known")
    now = 1.8e9
    assert (len(lines(spool)), spool.dropped) == (1, 0)


def test_a_disk_that_is_full_from_the_start_makes_lines_wait_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mounted(tmp_path / "small") as folder:
        fill(folder)
        spool = Spool(folder / "spool.db")
        spool.put(b"a line")
        assert lines(spool) == [b"a line"]
        spool.close()
    assert "wait in memory" in caplog.text


def test_while_the_disk_is_full_lines_wait_in_memory_and_go_out_in_order(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as folder:
        spool = Spool(folder / "spool.db", max_lines=40)
        spool.put(b"0")
        fill(folder)
        for number in range(1, 50):
            spool.put(b"%d" % number + bytes(2000))  # more than what may be left of a page
        found = [line.rstrip(b"\0") for line in lines(spool)]
        assert found[-1] == b"49"
        assert found == sorted(found, key=int)
        assert len(found) + spool.dropped == 50
        delivered = spool.first(1)[0][0]
        spool.remove(delivered)
        assert spool.first(1)[0][0] != delivered  # though the disk did not let it be removed
        left = lines(spool)
        (folder / "filler").unlink()
        spool.put(b"there is room again")
        spool.close()
        again = Spool(folder / "spool.db")
        assert lines(again) == [*left, b"there is room again"]  # and what was delivered is not
        again.close()


def test_a_second_owner_of_a_spool_is_refused(tmp_path: Path) -> None:
    with ExitStack() as held:
        open_spool(tmp_path, "mqtt-x", held)
        with raises("spool-in-use"):
            open_spool(tmp_path, "mqtt-x", held)
        open_spool(tmp_path, spool_name("mqtt", "x", "second sink"), held)


def test_lines_of_numbered_spools_are_taken_over_once(tmp_path: Path) -> None:
    for name in ("webhook-x", "webhook-x-1", "webhook-x-3"):
        spool = Spool(tmp_path / f"{name}.db")
        spool.put(name.encode())
        spool.close()
    for _ in range(2):
        with ExitStack() as held:
            spool = open_spool(tmp_path, "webhook-x", held)
            assert lines(spool) == [b"webhook-x", b"webhook-x-1", b"webhook-x-3"]
    assert [path.name for path in tmp_path.glob("*.db")] == ["webhook-x.db"]


def test_a_numbered_spool_that_is_still_in_use_is_left_alone(tmp_path: Path) -> None:
    with ExitStack() as held:
        open_spool(tmp_path, "webhook-x-1", held).put(b"theirs")
        assert lines(open_spool(tmp_path, "webhook-x", held)) == []
        assert (tmp_path / "webhook-x-1.db").exists()


def test_one_that_is_closed_while_somebody_uses_it_is_free_for_the_next(tmp_path: Path) -> None:
    with ExitStack() as held:
        hanging = open_spool(tmp_path, "mqtt-x", held)
        hanging.put(b"a line")
        number = hanging.first(1)[0][0]
        hanging.close()
        following = open_spool(tmp_path, "mqtt-x", held)
        hanging.remove(number)
        assert hanging.first(1) == []
        assert lines(following) == [b"a line"]


def test_only_owner_and_group_may_read_what_was_heard(tmp_path: Path) -> None:
    Spool(tmp_path / "spool.db").put(b"speech")
    assert {path.stat().st_mode & 0o007 for path in tmp_path.glob("spool.db*")} == {0}


def fill(folder: Path) -> None:
    """Leave no room on a small disk."""
    with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(512)):
            pass


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A disk of 256 KiB; the test is skipped, saying so, where nobody may mount one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here (not root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


KILLED = """
import os, sys
from pathlib import Path
from listener.storage.spool import Spool
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


def with_many(path: Path) -> Spool:
    """A spool in whose file more lines wait than SQLite keeps in memory."""
    before = Spool(path)
    for number in range(800):
        before.put(b"%d" % number + bytes(4000))
    before.close()
    return Spool(path)


def damage(path: Path) -> None:
    """Overwrite all that is in a file that is open."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def test_a_file_damaged_while_it_is_open_is_put_aside_and_what_is_lost_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "spool.db"
    spool = with_many(path)
    damage(path)
    assert lines(spool) == []
    assert (len(spool), spool.dropped) == (0, 800)
    assert ": 800 " in caplog.text
    assert len(list(tmp_path.glob("spool.db.damaged-*"))) == 1
    spool.put(b"on it goes")
    assert lines(spool) == [b"on it goes"]
    spool.close()
    assert lines(Spool(path)) == [b"on it goes"]


def test_a_line_that_was_on_its_way_when_the_file_was_lost_is_counted_off_once(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = with_many(path)
    on_its_way, _ = spool.first(1)[0]
    damage(path)
    lines(spool)
    spool.put(b"new")
    spool.remove(on_its_way)
    assert (lines(spool), len(spool), spool.dropped) == ([b"new"], 1, 800)


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with raises("database-newer"):
        Spool(path)
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with raises("file-special"):
        Spool(tmp_path)
