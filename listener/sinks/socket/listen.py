"""Where the socket listens: a path, taken once, taken over from the dead, left clean; and a port of this machine."""

import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listener.base import addresses
from listener.base.addresses import Address
from listener.errors import SinkError

MODE = 0o660  # the daemon's user and group, nobody else
FOLDER_MODE = 0o750
PROBE_S = 1.0
BACKLOG = 64


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket, mode 0660.

    SinkError where a living process has the path, something else lies there, or it cannot be made.
    """
    try:
        with _alone(path.parent):
            _clear(path)
            return _bound(path)
    except OSError as err:
        reason = err.strerror or str(err)
        raise SinkError(f"socket {path}: cannot be made ({reason}); give the socket sink another path") from err


def tcp_address(address: str, *, guarded: bool) -> Address:
    """Host and port. ConfigError where it is none, or lets other machines in that nobody asks for a token."""
    return addresses.of_door(address, "socket.tcp", "127.0.0.1:8790", guarded=guarded)


def bind_tcp(address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket. SinkError where the port is taken."""
    try:
        door = socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    except OSError as err:
        raise SinkError(f"socket: tcp port {address[1]} is not to be had ({err.strerror}); try another") from err
    door.setblocking(False)
    return door


def own_folder(folder: Path) -> None:
    """Make the default folder. SinkError where a stranger made it before us, as anybody may in /tmp."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as err:
        raise SinkError(f"socket: {folder} cannot be made ({err.strerror}); give the socket sink a path") from err
    if owner not in (0, os.getuid()):
        raise SinkError(f"socket: {folder} belongs to another user ({owner}); give the socket sink a path")


def identity(path: Path) -> tuple[int, int] | None:
    """Which file this is, so that its maker knows it again; None where there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two daemons that start together must not both find a dead socket and take it over from each other."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Take the lock within a second: whoever keeps it longer is no daemon that starts."""
    deadline = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as err:
            if time.monotonic() > deadline:
                raise SinkError(
                    f"socket: {folder} is locked; give the socket sink a path in a folder of its own"
                ) from err
            time.sleep(0.01)


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SinkError(f"socket {path}: something else has this name; remove it, or give the socket sink another path")
    holder = _holder(path)
    if holder:
        raise SinkError(f"socket {path}: in use by {holder}; stop it, or give the socket sink another path")
    path.unlink(missing_ok=True)


def _holder(path: Path) -> str:
    """Who listens there, in words; empty where nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return ""
        except (TimeoutError, BlockingIOError):  # its queue of clients is full: hung, but alive
            return "a process that does not answer"
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid = struct.unpack("3i", credentials)[0]
    return f"process {pid}" if pid else "a process of another container"


def _bound(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(server.fileno(), MODE)  # so that it is never open wider, not even between bind and chmod
        server.bind(str(path))
        path.chmod(MODE)  # the umask may have taken the group's part
        server.listen(BACKLOG)
    except OSError:
        server.close()
        raise
    server.setblocking(False)
    return server
