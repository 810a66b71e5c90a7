"""A path is trusted only if no other user could have put something in its place."""

import errno
import os
import socket
from pathlib import Path

import pytest

from listener.base import ownership
from listener.errors import SinkError
from listener.sinks.socket import listen

STRANGER = 4711

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that everybody can write to, as /tmp."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def test_our_own_files_and_links_are_trusted(shared: Path) -> None:
    (shared / "ours").mkdir()
    (shared / "link").symlink_to("../shared/ours")
    assert ownership.stranger(shared / "ours") == ""
    assert ownership.stranger(shared / "link") == ""


def test_a_missing_path_or_a_circle_of_links_is_an_error(shared: Path) -> None:
    (shared / "circle").symlink_to(shared / "circle")
    for name, number in (("none", errno.ENOENT), ("circle", errno.ELOOP)):
        with pytest.raises(OSError, match=name if number == errno.ENOENT else os.strerror(number)) as raised:
            ownership.stranger(shared / name)
        assert raised.value.errno == number


@as_root
def test_a_strangers_folder_counts_where_everybody_can_write(shared: Path, tmp_path: Path) -> None:
    for folder in (shared / "theirs", tmp_path / "theirs"):
        folder.mkdir()
        (folder / "file").touch()
        os.chown(folder, STRANGER, STRANGER)
    assert str(shared / "theirs") in ownership.stranger(shared / "theirs" / "file")
    assert ownership.stranger(tmp_path / "theirs" / "file") == ""


@as_root
def test_a_strangers_link_counts_everywhere(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    os.chown(tmp_path / "link", STRANGER, STRANGER, follow_symlinks=False)
    assert str(tmp_path / "link") in ownership.stranger(tmp_path / "link")


@as_root
def test_the_daemon_makes_no_socket_behind_a_strangers_link(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (shared / "run").symlink_to(tmp_path / "ours")
    os.chown(shared / "run", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(SinkError) as raised:
        listen.own_folder(shared / "run")
    assert raised.value.code == "socket-foreign"


def test_the_peer_of_a_unix_socket_is_known() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert ownership.peer(ours) == (os.getpid(), os.getuid())
