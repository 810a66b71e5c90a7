"""Who may have made a file: a path below a folder that everybody can write to may be another user's trap."""

import errno
import os
import socket
import stat
import struct
from pathlib import Path, PurePath

MOST_LINKS = 40  # as the kernel follows


def trusted_users() -> set[int]:
    """The users whose files are as good as our own: root and ourselves."""
    return {0, os.geteuid()}


def stranger(path: Path) -> str:
    """Find out whether a user whom we do not trust could have put a file in place.

    An entry of a folder that everybody can write to must belong to root or to us, and so must every symbolic link.

    Returns:
        What belongs to a stranger, in words; empty if nothing does.

    Raises:
        OSError: The path does not exist or cannot be read.
    """
    trusted, links, folder = trusted_users(), 0, Path("/")
    rest = list(reversed(path.absolute().parts[1:]))
    while rest:
        name = rest.pop()
        entry = folder.parent if name == ".." else folder / name
        status = entry.lstat()
        is_link = stat.S_ISLNK(status.st_mode)
        if status.st_uid not in trusted and (is_link or folder.stat().st_mode & stat.S_IWOTH):
            return f"{entry} belongs to another user ({status.st_uid})"
        if not is_link:
            folder = entry
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = PurePath(entry.readlink())
        folder = Path("/") if target.is_absolute() else folder
        rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return ""


def peer(connection: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end of a Unix socket: SO_PEERCRED of socket(7)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, user, _group = struct.unpack("3i", credentials)
    return process, user
