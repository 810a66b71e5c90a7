"""Create the listening sockets: a Unix socket that replaces that of a dead daemon, and a TCP port."""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listener.base import addresses, ownership
from listener.base.addresses import Address
from listener.errors import SinkError

MODE = 0o660  # the daemon's user and group, nobody else
FOLDER_MODE = 0o750
PROBE_S = 1.0
IN_USE = "Use `listener watch` to see what it hears, stop it, or set socket in [daemon]."
BACKLOG = 64


def bind_unix(path: Path) -> socket.socket:
    """Return a listening Unix socket with mode 0660.

    Raises:
        SinkError: A running process uses the path, another file has it, or the socket cannot be created.
    """
    try:
        with _alone(path.parent):
            _clear(path)
            return _bound(path)
    except OSError as err:
        reason = err.strerror or str(err)
        raise _error(f"socket {path} cannot be created ({reason})", "unusable") from err


def tcp_address(address: str, *, guarded: bool) -> Address:
    """Parse host and port.

    Raises:
        ConfigError: They cannot be parsed, or let other machines in although no token is `guarded`.
    """
    return addresses.parse_listen_address(address, "tcp", "127.0.0.1:8790", guarded=guarded)


def bind_tcp(address: tuple[str, int]) -> socket.socket:
    """Return a listening TCP socket, or raise SinkError if the port is taken."""
    try:
        door = socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    except OSError as err:
        problem = f"TCP port {address[1]} cannot be used ({err.strerror})"
        raise SinkError(problem, code="socket-port-unusable", remedy="Set tcp in [daemon] to another port.") from err
    door.setblocking(False)
    return door


def own_folder(folder: Path) -> None:
    """Create the default folder, or raise SinkError if another user has: everybody can do that in /tmp."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        owner, stranger = folder.stat().st_uid, ownership.stranger(folder)
    except OSError as err:
        raise _error(f"folder {folder} of the socket cannot be created ({err.strerror})", "unusable") from err
    if stranger or owner not in ownership.trusted_users():
        why = stranger or f"it belongs to another user ({owner})"
        raise _error(f"folder {folder} of the socket cannot be trusted: {why}", "foreign")


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, by which its creator recognises it; None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _error(message: str, code: str, remedy: str = "Set socket in [daemon] to another path.") -> SinkError:
    return SinkError(message, code=f"socket-{code}", remedy=remedy)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two daemons that start together must not replace each other's socket."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Take the lock within a second. A starting daemon holds it for less."""
    deadline = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as err:
            if time.monotonic() > deadline:
                raise _error(f"folder {folder} of the socket is locked", "locked") from err
            time.sleep(0.01)


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _error(f"socket {path}: another file has this name", "taken")
    holder = _holder(path)
    if holder:
        raise _error(f"socket {path} is in use by {holder}", "in-use", IN_USE)
    path.unlink(missing_ok=True)


def _holder(path: Path) -> str:
    """Return which process listens there, in words; empty if none does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return ""
        except (TimeoutError, BlockingIOError):  # its backlog is full: it hangs, but is alive
            return "a process that does not answer"
        pid, _user = ownership.peer(probe)
    return f"process {pid}" if pid else "a process of another container"


def _bound(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(server.fileno(), MODE)  # never wider, not even between bind and chmod
        server.bind(str(path))
        path.chmod(MODE)  # the umask may have removed the group's permissions
        server.listen(BACKLOG)
    except OSError:
        server.close()
        raise
    server.setblocking(False)
    return server
