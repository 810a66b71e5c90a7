"""Requirements of parts are checked before the parts are opened."""

import os
import socket
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from listener.base import requirements
from listener.base.requirements import Requirements
from listener.errors import ConfigError
from tests.waiting import eventually

LOCAL = ("127.0.0.1", 9774)


def codes(errors: Iterable[ConfigError]) -> list[str]:
    return [error.code for error in errors]


def missing(**required: object) -> list[str]:
    return codes(requirements.missing(Requirements(**required)))  # type: ignore[arg-type]


def test_nothing_is_missing_where_nothing_is_required() -> None:
    assert missing() == []


def test_a_file_must_be_readable(tmp_path: Path) -> None:
    (error,) = requirements.missing(Requirements(reads={"ca_file": tmp_path / "ca.pem"}))
    assert error.code == "file-unreadable"
    assert error.message.startswith(f"ca_file: {tmp_path / 'ca.pem'} ")
    (tmp_path / "ca.pem").touch()
    assert missing(reads={"ca_file": tmp_path / "ca.pem"}) == []


@pytest.mark.parametrize(("secret", "min_chars"), [("\n", 1), ("hunter2\n", 16)])
def test_a_secret_must_be_there_and_long_enough(secret: str, min_chars: int, tmp_path: Path) -> None:
    required = {"secrets": {"token_file": str(tmp_path / "token")}, "secret_min_chars": min_chars}
    assert missing(**required) == ["secret-unreadable"]
    (tmp_path / "token").write_text(secret)
    assert missing(**required) == ["secret-short"]
    (tmp_path / "token").write_text("x" * min_chars)
    assert missing(**required) == []


def test_a_systemd_credential_is_missing_only_while_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing(secrets={"password_file": "mqtt-password"}) == []
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert missing(secrets={"password_file": "mqtt-password"}) == ["secret-unreadable"]


def test_a_program_must_be_there_and_executable(tmp_path: Path) -> None:
    program = tmp_path / "bark.sh"
    assert missing(program=str(program)) == ["program-missing"]
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    assert missing(program=str(program)) == ["program-not-executable"]
    program.chmod(0o755)
    assert missing(program=str(program)) == []


def test_a_file_that_is_written_is_a_regular_file_in_a_writable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    assert missing(writes=(tmp_path / "new" / "folder" / "events.jsonl",)) == []
    assert missing(writes=(tmp_path / "file" / "events.jsonl",)) == ["file-unwritable"]
    assert missing(writes=(tmp_path,)) == ["file-unwritable"]
    assert missing(writes=(tmp_path / "fifo",)) == ["file-unwritable"]
    assert missing(folders=(tmp_path,)) == []
    assert missing(folders=(tmp_path / "file",)) == ["file-unwritable"]


def test_a_database_does_not_replace_another_file(tmp_path: Path) -> None:
    notes, database, none, zeros = (tmp_path / name for name in ("notes.txt", "history.db", "none.db", "zeros.db"))
    notes.write_text("buy milk")
    database.write_bytes(b"SQLite format 3\0" + bytes(84))
    zeros.write_bytes(bytes(512))
    assert missing(databases=(database, none, zeros)) == []
    assert missing(databases=(notes,)) == ["database-foreign"]
    (tmp_path / "notes.txt-wal").touch()
    assert missing(databases=(notes,)) == []


def test_a_socket_replaces_only_an_old_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert missing(binds=(path,)) == []
    with closing(socket.socket(socket.AF_UNIX)) as old:
        old.bind(str(path))
    assert missing(binds=(path,)) == []
    path.unlink()
    path.write_text("a letter")
    assert missing(binds=(path,)) == ["socket-path-taken"]
    assert missing(binds=(path / "s",)) == ["socket-unwritable"]


def test_two_parts_may_not_use_one_file_port_or_name(tmp_path: Path) -> None:
    first = Requirements(writes=(tmp_path / "a.log",), binds=(LOCAL,), exclusive=("client_id 'x'",))
    same_file = tmp_path / ".." / tmp_path.name / "a.log"
    second = Requirements(writes=(same_file,), binds=(LOCAL,), exclusive=("client_id 'x'",))
    errors = list(requirements.conflicts([("sink 1", first), ("sink 2", second)]))
    assert codes(errors) == 3 * ["part-conflict"]
    for error, thing in zip(errors, (str(tmp_path / "a.log"), "127.0.0.1:9774", "client_id 'x'"), strict=True):
        assert thing in error.message


def test_parts_may_all_ask_for_any_free_port() -> None:
    any_port = Requirements(binds=(("127.0.0.1", 0),))
    assert codes(requirements.conflicts([("a", any_port), ("b", any_port)])) == []


def test_a_name_that_is_not_a_label_comes_with_the_nearest() -> None:
    required = Requirements(labels={"clips": ("dog_brk", "alarm")})
    (error,) = requirements.unknown_labels(required, ["dog_bark", "alarm"])
    assert error.code == "label-unknown"
    assert "'dog_bark'" in error.remedy


def test_a_fifo_without_a_writer_blocks_no_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audio")
    found: list[str] = []
    threading.Thread(target=lambda: found.append(requirements.unreadable(tmp_path / "audio")), daemon=True).start()
    eventually(lambda: found == [""])
