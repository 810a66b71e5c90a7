"""The history: a row an event, bounded in age and size, over kills, damage and full disks."""

import contextlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from listener.errors import SinkError
from listener.messages import run_id, wall_clock
from listener.storage.history import END_UNKNOWN, History, Query, Reader, Row
from listener.storage.spool import Spool
from tests.raising import raises
from tests.sinks.messages import event

NOON = 1_800_000_000.0
DAY_S = 86_400.0


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


def opened(path: Path, clock: Clock | None = None, *, keep_days: float = 30, max_mb: float = 100) -> History:
    clock = clock or Clock()
    history = History(path, keep_days=keep_days, max_mb=max_mb, clock=clock)
    history.open()
    return history


def rows(path: Path, query: Query | None = None) -> list[Row]:
    reader = Reader(path)
    found = list(reader.rows(query or Query()))
    reader.close()
    return found


def fill(history: History, count: int, at: float = NOON) -> None:
    for number in range(count):
        history.record(event(number, id=f"{at}-{number}", phase="end", start=wall_clock(at + number), end_s=20.0))


def test_an_event_is_one_row_that_its_lines_bring_up_to_date(tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    history.record(event(start=wall_clock(NOON), peak=0.5))
    (first,) = rows(tmp_path / "h.db")
    history.record(event(start=wall_clock(NOON), phase="update", seq=1, peak=0.8, level_dbfs=-9.0))
    history.record(event(start=wall_clock(NOON), phase="end", seq=2, peak=0.9, end=wall_clock(NOON + 3), end_s=15.5))
    (last,) = rows(tmp_path / "h.db")
    history.close()
    assert (first.label, first.source, first.model, first.at) == ("dog_bark", "kitchen", "tiny", NOON)
    assert (first.peak, first.end, first.under_way) == (0.5, None, 1)
    assert (last.peak, last.level_dbfs, last.start, last.end) == (0.9, -23.0, wall_clock(NOON), wall_clock(NOON + 3))
    assert (last.start_s, last.end_s, last.detected_s, last.under_way, last.note) == (12.5, 15.5, 13.2, 0, None)


def test_an_end_whose_start_was_lost_is_a_whole_row(tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    history.record(event(phase="end", end_s=15.5))
    (row,) = rows(tmp_path / "h.db")
    assert (row.start_s, row.end_s, row.under_way) == (12.5, 15.5, 0)


def test_an_event_of_a_file_is_placed_at_the_moment_it_was_heard_of(tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    history.record(event(start=None))
    (row,) = rows(tmp_path / "h.db")
    assert (row.at, row.start) == (NOON, None)


def test_rows_left_open_are_closed_with_a_note_at_the_next_start(tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    history.record(event())
    history.close()
    again = opened(tmp_path / "h.db")
    (row,) = rows(tmp_path / "h.db")
    assert (row.under_way, row.end, row.note) == (0, None, END_UNKNOWN)
    again.record(event(phase="end", end_s=15.5))  # it was under way after all: another process's
    (row,) = rows(tmp_path / "h.db")
    assert (row.end_s, row.note) == (15.5, None)


def test_what_this_process_has_under_way_goes_on_over_a_reload(tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    history.record(event(id=f"{run_id()}abc-1"))
    history.close()
    history = opened(tmp_path / "h.db")
    (row,) = rows(tmp_path / "h.db")
    history.close()
    assert (row.under_way, row.note) == (1, None)


def test_what_another_process_has_under_way_is_left_to_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "h.db"
    first = opened(path)
    first.record(event(1))
    second = opened(path)
    second.record(event(2))
    first.close()
    first = opened(path)  # nor does it take what came after it for what it left
    assert [(row.under_way, row.note) for row in rows(path)] == [(1, None), (1, None)]
    assert "have no end" not in caplog.text
    first.close()
    second.close()
    opened(path).close()
    assert [row.note for row in rows(path)] == [END_UNKNOWN, END_UNKNOWN]
    assert "2 events have no end" in caplog.text


def test_where_no_lock_can_be_made_it_is_as_if_nobody_else_wrote(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    path.with_name("h.db.lock").mkdir()
    history = opened(path)
    history.record(event())
    history.close()
    opened(path).close()
    assert [row.note for row in rows(path)] == [END_UNKNOWN]


KILLED = """
import sys
import time
from pathlib import Path
from listener.storage.history import History
from tests.sinks.messages import event
history = History(Path(sys.argv[1]), keep_days=30, max_mb=100)
history.open()
for number in range(100_000):
    for phase in ("start", "update", "end"):
        history.record(event(number, phase=phase, end_s=15.0 if phase == "end" else None))
        print(number, phase, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 100, 301])
def test_a_kill_loses_at_most_the_line_being_written_and_never_the_file(lines: int, tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.readlines()
    number, phase = next(line.split() for line in reversed(said) if line.endswith("\n"))
    opened(path, Clock(time.time())).close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = {row.id: row for row in rows(path)}
    assert len(found) >= int(number) + 1
    assert all(row.end_s == 15.0 or row.note == END_UNKNOWN for row in found.values())
    assert sum(row.note is not None for row in found.values()) <= 1
    if phase == "end":
        assert found[f"e{number}"].end_s == 15.0


@pytest.mark.parametrize("beginning", [b"SQLite format 3\0", bytes(512)], ids=["its own", "zeros"])
def test_a_damaged_file_is_put_aside_and_a_new_one_begun(
    beginning: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "h.db"
    path.write_bytes(beginning + os.urandom(8000))
    history = opened(path)
    history.record(event())
    assert len(rows(path)) == 1
    assert "is damaged" in caplog.text
    assert len(list(tmp_path.glob("h.db.damaged-*"))) == 1


@pytest.mark.parametrize("length", [5, 4000])
def test_a_file_that_never_was_a_database_is_left_alone_and_said(length: int, tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(b"dear diary, " * (length // 12) + b"bye")
    before = path.read_bytes()
    for _ in range(2):  # it is tried again
        with raises("database-foreign", "diary.txt"):
            opened(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.parametrize("left", ["the -wal", "nothing"])
def test_a_file_whose_beginning_is_lost_is_ours_by_what_lies_beside_it_or_by_having_been_open(
    left: str, tmp_path: Path
) -> None:
    path = tmp_path / "h.db"
    history = opened(path)
    history.close()
    path.write_bytes(os.urandom(8000))
    if left == "the -wal":
        path.with_name("h.db-wal").touch()
        history = opened(path)
    history.record(event())
    assert len(rows(path)) == 1
    assert len(list(tmp_path.glob("h.db.damaged-*"))) == 1


def test_a_newer_file_is_left_alone_and_said(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with raises("database-newer"):
        opened(path)
    with raises("database-newer"):
        Reader(path)
    assert path.read_bytes() == before


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    history = opened(path)
    history.record(event(0))
    for found in list(tmp_path.iterdir()):
        found.rename(found.with_name(found.name.replace("h.db", "moved.db")))
    history.record(event(1))
    assert [row.id for row in rows(path)] == ["e1"]
    assert [row.id for row in rows(tmp_path / "moved.db")] == ["e0"]


def test_what_is_too_old_goes_at_the_next_start(tmp_path: Path) -> None:
    clock = Clock()
    history = opened(tmp_path / "h.db", clock, keep_days=7)
    fill(history, 3, NOON)
    fill(history, 2, NOON + 3600)
    history.close()
    clock.now += 7 * DAY_S + 60
    opened(tmp_path / "h.db", clock, keep_days=7).close()
    assert len(rows(tmp_path / "h.db")) == 2


def test_but_the_size_is_kept_to(tmp_path: Path) -> None:
    clock = Clock()
    history = opened(tmp_path / "h.db", clock, max_mb=0.3)
    fill(history, 3000)
    clock.wrong_s = 1000 * DAY_S
    history.tidy()
    assert 0 < len(rows(tmp_path / "h.db")) < 3000
    assert (tmp_path / "h.db").stat().st_size <= 300_000


def test_and_while_it_runs_every_ten_minutes(tmp_path: Path) -> None:
    clock = Clock(NOON + 7 * DAY_S - 4000)
    history = opened(tmp_path / "h.db", clock, keep_days=7)
    fill(history, 3, NOON)
    clock.now += 3900
    history.record(event(8, start=wall_clock(clock.now)))
    assert len(rows(tmp_path / "h.db")) == 4
    clock.now += 601
    history.record(event(9, start=wall_clock(clock.now)))
    assert [row.id for row in rows(tmp_path / "h.db")] == ["e8", "e9"]


def test_a_file_that_is_too_big_loses_its_oldest_and_really_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    history = opened(path)
    fill(history, 3000)
    history.close()
    grown = path.stat().st_size
    opened(path, max_mb=0.3).close()
    left = rows(path)
    assert grown > 450_000
    assert 200_000 < path.stat().st_size <= 300_000
    assert len(left) > 500
    assert [row.at for row in left] == [NOON + number for number in range(3000 - len(left), 3000)]


def test_a_file_that_shrank_before_shrinks_again_while_it_is_written(tmp_path: Path) -> None:
    path, clock = tmp_path / "h.db", Clock()
    history = opened(path, clock, max_mb=0.2, keep_days=365)
    for day in range(4):
        fill(history, 500, NOON + day * DAY_S)
        clock.now += DAY_S
    history.tidy()
    assert path.stat().st_size <= 200_000
    assert rows(path)[-1].at == NOON + 3 * DAY_S + 499


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is full after half a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_fails_the_events_that_meet_it_and_no_other(small_disk: Path) -> None:
    path = small_disk / "h.db"
    history = opened(path)
    history.record(event(0))
    fill_up(small_disk / "other")
    failed = 0
    for number in range(1, 100):
        try:
            history.record(event(number))
        except SinkError:
            failed += 1
    (small_disk / "other").unlink()
    history.record(event(100))
    history.close()
    assert failed > 0
    assert len(rows(path)) == 101 - failed
    assert {"e0", "e100"} <= {row.id for row in rows(path)}


@pytest.mark.parametrize("was_there", [True, False])
def test_a_disk_that_is_full_at_the_start_may_be_emptied_later(
    was_there: bool, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_disk / "h.db"
    if was_there:
        opened(path).close()
    fill_up(small_disk / "other")
    history = opened(path)
    assert str(path) in caplog.text
    with pytest.raises(SinkError):
        history.record(event(0))
    (small_disk / "other").unlink()
    history.record(event(1))
    assert [row.id for row in rows(path)] == ["e1"]


def test_a_database_that_may_not_grow_recovers_too(tmp_path: Path) -> None:
    """The same without a mount: SQLite refuses the page that the disk would not take."""
    history = opened(tmp_path / "h.db")
    connection = history._database
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 10")
    with raises("database-unusable", "full"):
        fill(history, 1000)
    connection.execute("PRAGMA max_page_count = 100000")
    stored = len(rows(tmp_path / "h.db"))
    history.record(event(1))
    assert len(rows(tmp_path / "h.db")) == stored + 1


def test_damage_that_shows_while_it_runs_is_put_aside_with_the_next_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "h.db"
    history = opened(path)
    fill(history, 500)
    another = opened(path)  # what it writes makes the first look into the file again
    another.record(event(8))
    another.tidy()  # all of it is in the file now, not in its -wal
    another.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with pytest.raises(SinkError):
        fill(history, 3, NOON + 1000)
    history.record(event(7))
    assert [row.id for row in rows(path)] == ["e7"]
    assert "is damaged" in caplog.text


def test_a_folder_in_its_place_is_an_error_at_once(tmp_path: Path) -> None:
    with raises("file-special"):
        opened(tmp_path)
    with raises("file-special"):
        Reader(tmp_path)


def test_a_query_asks_by_label_source_time_and_score(tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    history.record(event(0, start=wall_clock(NOON), label="siren", peak=0.6))
    history.record(event(1, start=wall_clock(NOON + 60), source="hall"))
    history.record(event(2, start=wall_clock(NOON + 120)))
    asked = {
        "siren": Query(labels=("siren", "rain")),
        "hall": Query(sources=("hall",)),
        "since": Query(since=NOON + 60),
        "until": Query(until=NOON + 60),
        "score": Query(min_score=0.9),
        "limit": Query(limit=2),
        "both": Query(labels=("dog_bark",), limit=1),
        "none": Query(labels=("rain",)),
    }
    found = {name: [row.id for row in rows(tmp_path / "h.db", query)] for name, query in asked.items()}
    assert found == {
        "siren": ["e0"],
        "hall": ["e1"],
        "since": ["e1", "e2"],
        "until": ["e0"],
        "score": ["e1", "e2"],
        "limit": ["e1", "e2"],
        "both": ["e2"],
        "none": [],
    }


def test_a_reader_writes_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    history = opened(path)
    fill(history, 10)
    reader = Reader(path)
    found = reader.rows(Query())
    next(found)  # in the middle of it
    fill(history, 10, NOON + 100)
    assert len(list(found)) == 9
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._database.execute("DELETE FROM events")


def test_a_reader_in_the_middle_keeps_no_room_from_the_disk(tmp_path: Path) -> None:
    """It may stand there for hours, behind `| less`: a transaction would hold the -wal at what was written since."""
    path = tmp_path / "h.db"
    history = opened(path)
    fill(history, 1200)
    reader = Reader(path)
    found = reader.rows(Query())
    first = next(found)
    fill(history, 500, NOON + 5000)
    history.tidy()
    assert path.with_name("h.db-wal").stat().st_size == 0
    assert [row.at for row in (first, *found)] == [NOON + number for number in range(1200)]


@pytest.mark.parametrize("limit", [1, 499, 500, 501, 1000, 1003, 2000, None])
def test_rows_are_the_same_however_many_are_read_at_once(limit: int | None, tmp_path: Path) -> None:
    history = opened(tmp_path / "h.db")
    for number in range(1003):  # at four moments, each of which goes over the bounds of what is read at once
        history.record(event(number, start=wall_clock(NOON - number // 300), label=("rain", "siren")[number % 2]))
    reader = Reader(tmp_path / "h.db")
    for labels in ((), ("rain",)):
        query = Query(limit=limit, labels=labels)
        assert list(reader.rows(query)) == [row for _, row in reversed(reader.page(query))]
    reader.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a while")
def test_a_file_in_a_folder_that_is_closed_to_us_is_another_users(tmp_path: Path) -> None:
    opened(tmp_path / "h.db").close()
    tmp_path.chmod(0o700)
    os.seteuid(65_534)
    try:
        with raises("database-permission", "h.db"):
            Reader(tmp_path / "h.db")
    finally:
        os.seteuid(0)


def test_a_fifo_in_its_place_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "h.db")
    with raises("file-special"):
        opened(tmp_path / "h.db")
    with raises("file-special"):
        Spool(tmp_path / "h.db")
