"""What parts need of this machine is looked for before they are opened."""

import os
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from listener.base import requirements
from listener.base.requirements import Needs
from tests.waiting import eventually


def test_a_part_that_says_nothing_needs_nothing() -> None:
    assert list(requirements.faults(requirements.of(object()))) == []


def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    (fault,) = requirements.faults(Needs(reads={"ca_file": tmp_path / "ca.pem"}))
    assert fault.startswith(f"ca_file: {tmp_path / 'ca.pem'} cannot be read (No such file or directory)")


def test_a_secret_by_path_must_be_there(tmp_path: Path) -> None:
    assert list(requirements.faults(Needs(secrets={"token_file": str(tmp_path / "token")})))
    (tmp_path / "token").write_text("secret")
    assert not list(requirements.faults(Needs(secrets={"token_file": str(tmp_path / "token")})))


def test_a_secret_that_is_empty_or_could_be_guessed_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "short").write_text("hunter2\n")
    secrets = {"a": str(tmp_path / "empty"), "b": str(tmp_path / "short")}
    (empty,) = requirements.faults(Needs(secrets=secrets))
    assert empty.startswith(f"a: {tmp_path}/empty is empty; ")
    assert [fault.partition(";")[0] for fault in requirements.faults(Needs(secrets=secrets, shortest=16))] == [
        f"{key}: {tmp_path}/{name} has less than 16 characters" for key, name in (("a", "empty"), ("b", "short"))
    ]


def test_a_credential_of_systemds_is_there_only_for_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Needs(secrets={"password_file": "mqtt-password"})
    assert not list(requirements.faults(wanted))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert list(requirements.faults(wanted))


def test_a_program_must_be_there_and_executable(tmp_path: Path) -> None:
    program = tmp_path / "bark.sh"
    assert "is not there" in next(requirements.faults(Needs(program=str(program))))
    program.write_text("#!/bin/sh\n")
    program.chmod(0o644)
    assert f"chmod +x {program}" in next(requirements.faults(Needs(program=str(program))))
    program.chmod(0o755)
    assert not list(requirements.faults(Needs(program=str(program))))


def test_where_a_file_is_to_be_made_the_nearest_folder_decides(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not list(requirements.faults(Needs(writes=(tmp_path / "new" / "folder" / "events.jsonl",))))
    assert "is no folder" in next(requirements.faults(Needs(writes=(tmp_path / "file" / "events.jsonl",))))
    assert "it is a folder" in next(requirements.faults(Needs(writes=(tmp_path,))))


def test_what_lies_at_the_place_of_a_database_must_be_one(tmp_path: Path) -> None:
    notes, database, none = (tmp_path / name for name in ("notes.txt", "history.db", "none.db"))
    notes.write_text("buy milk")
    database.write_bytes(b"SQLite format 3\0" + bytes(84))
    found = list(requirements.faults(Needs(writes=(notes, database, none), databases=(notes, database, none))))
    assert found == [f"{notes} is no database; name another file, or move it away"]


def test_what_lies_at_the_place_of_a_socket_must_be_one(tmp_path: Path) -> None:
    door = tmp_path / "s"
    assert not list(requirements.faults(Needs(binds=(door,))))
    with closing(socket.socket(socket.AF_UNIX)) as old:
        old.bind(str(door))
    assert not list(requirements.faults(Needs(binds=(door,))))
    door.unlink()
    door.write_text("a letter")
    assert list(requirements.faults(Needs(binds=(door,)))) == [
        f"socket {door}: something else has this name; remove it, or give the socket sink another path"
    ]


def test_two_parts_may_not_have_one_file_port_or_name(tmp_path: Path) -> None:
    first = Needs(writes=(tmp_path / "a.log",), binds=(("127.0.0.1", 9774),), takes=("client_id 'x'",))
    second = Needs(
        writes=(tmp_path / ".." / tmp_path.name / "a.log",), binds=(("127.0.0.1", 9774),), takes=("client_id 'x'",)
    )
    said = list(requirements.clashes([("sink 1", first), ("sink 2", second)]))
    assert said == [
        f"sink 2: {tmp_path / 'a.log'} is sink 1's already; give each its own",
        "sink 2: 127.0.0.1:9774 is sink 1's already; give each its own",
        "sink 2: client_id 'x' is sink 1's already; give each its own",
    ]


def test_any_free_port_is_no_clash() -> None:
    assert not list(
        requirements.clashes([("a", Needs(binds=(("127.0.0.1", 0),))), ("b", Needs(binds=(("127.0.0.1", 0),)))])
    )


def test_a_name_that_is_no_label_comes_with_the_nearest() -> None:
    (fault,) = requirements.strangers(Needs(labels={"clips": ("dog_brk", "alarm")}), ["dog_bark", "alarm"])
    assert fault == "clips: there is no label or group 'dog_brk'; did you mean 'dog_bark'?"


def test_a_pipe_that_nobody_writes_to_keeps_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "audio"
    os.mkfifo(pipe)
    found: list[str] = []
    threading.Thread(target=lambda: found.append(requirements.unreadable(pipe)), daemon=True).start()
    eventually(lambda: found == [""])
