"""The log: JSON lines in a file that rotates, or text in the journal."""

import io
import os
from pathlib import Path

import pytest

from listener import messages
from listener.sinks.log import Log, LogConfig
from tests.raising import raises
from tests.sinks.messages import HELLO, event


def opened(config: LogConfig) -> Log:
    sink = Log(config, HELLO)
    sink.open()
    return sink


def test_every_phase_is_a_line_of_json_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "made" / "events.jsonl"
    sink = opened(LogConfig(path=str(path)))
    phases = [event(phase=phase, label="café") for phase in ("start", "update", "end")]
    for said in phases:
        sink.emit(said)
    sink.close()
    assert [messages.decode(line) for line in path.read_bytes().splitlines()] == phases


def test_a_file_that_has_grown_is_put_aside_and_the_oldest_deleted(tmp_path: Path) -> None:
    sink = opened(LogConfig(path=str(tmp_path / "log"), max_mb=0.001, keep=2))
    for number in range(50):
        sink.emit(event(number))
    sink.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 1000 for path in files)


@pytest.mark.parametrize("deleted", [True, False])
def test_a_file_that_was_moved_or_deleted_is_begun_again(tmp_path: Path, deleted: bool) -> None:
    path, moved = tmp_path / "log", tmp_path / "log.old"
    sink = opened(LogConfig(path=str(path)))
    sink.emit(event(0))
    path.rename(moved)
    if deleted:
        moved.unlink()
    for number in (1, 2):
        sink.emit(event(number))
    sink.close()
    assert [messages.decode(line) for line in path.read_bytes().splitlines()] == [event(1), event(2)]
    assert deleted or moved.read_bytes() == messages.encode(event(0))


def test_where_it_cannot_be_begun_again_the_event_says_so_and_the_next_tries_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    sink = opened(LogConfig(path=str(folder / "log")))
    folder.rename(tmp_path / "away")
    with raises("log-unwritable"):
        sink.emit(event(0))
    folder.mkdir()
    sink.emit(event(1))
    sink.close()
    assert messages.decode((folder / "log").read_bytes()) == event(1)


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for _ in range(2):
        sink = opened(LogConfig(path=str(tmp_path / "log")))
        sink.emit(event())
        sink.close()
        sink.close()
    assert len((tmp_path / "log").read_bytes().splitlines()) == 2


def test_without_a_path_the_state_folder_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    opened(LogConfig()).close()
    assert (tmp_path / "events.jsonl").exists()


def test_the_journal_gets_text_with_a_priority() -> None:
    journal = io.StringIO()
    sink = Log(LogConfig(), HELLO, journal)
    sink.open()
    sink.emit(event())
    assert journal.getvalue().startswith("<6>")
    assert "dog_bark" in journal.getvalue()


def test_a_named_file_is_used_under_the_journal_too(tmp_path: Path) -> None:
    journal = io.StringIO()
    sink = Log(LogConfig(path=str(tmp_path / "log")), HELLO, journal)
    sink.open()
    sink.emit(event())
    sink.close()
    assert (tmp_path / "log").stat().st_size > 0
    assert not journal.getvalue()


def test_a_path_that_cannot_be_written_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with raises("log-unwritable"):
        opened(LogConfig(path=str(tmp_path / "file" / "log")))


@pytest.mark.parametrize("special", ["/dev/full", "fifo"])
def test_a_device_or_fifo_is_refused_without_waiting(special: str, tmp_path: Path) -> None:
    path = tmp_path / special
    if special == "fifo":
        os.mkfifo(path)
    with raises("log-unwritable"):
        opened(LogConfig(path=str(path)))
