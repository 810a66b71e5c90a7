"""Files, programs and addresses that a source or sink needs, declared before it is opened, and checks for them."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from listener.base import paths
from listener.base.addresses import Address
from listener.base.schema import suggestion
from listener.errors import ConfigError

SQLITE_MAGIC = b"SQLite format 3\0"
SQLITE_MIN_PAGE = 512  # bytes


@dataclass(frozen=True, slots=True)
class Requirements:
    """What one part needs from this machine. Keys are those of its section of the configuration."""

    reads: Mapping[str, Path] = field(default_factory=dict)  # files that must be readable
    secrets: Mapping[str, str] = field(default_factory=dict)  # likewise; a bare name may be a systemd credential
    secret_min_chars: int = 1
    program: str = ""  # is run
    writes: tuple[Path, ...] = ()  # files that only this part may write
    databases: tuple[Path, ...] = ()  # SQLite files, among `writes`: a file of another kind is not overwritten
    folders: tuple[Path, ...] = ()  # shared folders in which it creates files
    binds: tuple[Path | Address, ...] = ()  # sockets at which it listens
    exclusive: tuple[str, ...] = ()  # other things that only one part can use, in words
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)  # names that must be labels or groups


def missing(required: Requirements) -> Iterator[ConfigError]:
    """Check that everything is there that can be checked without opening the part.

    Yields:
        One error for each thing that is missing. It is not raised, so that all of them can be reported.
    """
    for key, path in required.reads.items():
        if why := unreadable(path):
            yield _error(f"{key}: {path} cannot be read ({why})", "file-unreadable", f"Correct {key}, or its mode.")
    for key, name in required.secrets.items():
        yield from _secret_errors(key, name, required.secret_min_chars)
    if required.program and shutil.which(required.program) is None:
        yield _program_error(required.program)
    for path in required.writes:
        if why := unwritable(path):
            yield _unwritable_error(path, why)
    for path in required.databases:
        if is_foreign(path):
            yield _error(f"{path} is not a database", "database-foreign", "Name another file, or move this one away.")
    for path in required.folders:
        if why := unwritable(path / "any"):
            yield _unwritable_error(path, why)
    for address in required.binds:
        if isinstance(address, Path):
            yield from _socket_errors(address)


def unknown_labels(required: Requirements, known: Sequence[str]) -> Iterator[ConfigError]:
    """Check label names against the labels and groups in `known`.

    Yields:
        One error for each name that is neither a label nor a group.
    """
    for key, names in required.labels.items():
        for name in names:
            if name not in known:
                message = f"{key}: there is no label or group {name!r}"
                yield _error(message, "label-unknown", suggestion(name, known))


def conflicts(parts: Sequence[tuple[str, Requirements]]) -> Iterator[ConfigError]:
    """Find files, addresses and other things that two parts would use.

    Args:
        parts: Each part's name for messages, and its requirements.

    Yields:
        One error for each thing that is used twice.
    """
    users: dict[object, str] = {}
    for name, required in parts:
        addresses = [address for address in required.binds if not isinstance(address, Path) and address[1] != 0]
        for thing in (*_files(required), *addresses, *required.exclusive):
            if thing in users:
                message = f"{name}: {_spelled(thing)} is used by {users[thing]} already"
                yield _error(message, "part-conflict", "Give each part its own.")
            users.setdefault(thing, name)


def fingerprint(required: Requirements) -> tuple[object, ...]:
    """Return a value that changes when a required secret or file is replaced or written."""
    files = [*(paths.credential(name) for name in required.secrets.values()), *required.reads.values()]
    return tuple((path, _state(path)) for path in files)


def _state(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def is_credential(name: str) -> bool:
    """Tell whether a secret is named as a systemd credential, which exists only while the service runs."""
    return paths.credential(name) == Path(name) == Path(Path(name).name)


def unreadable(path: Path) -> str:
    """Return why a file cannot be read, or an empty string if it can."""
    try:
        with open(path, "rb", opener=_without_waiting):
            return ""
    except OSError as err:
        return str(err.strerror)


def unwritable(path: Path) -> str:
    """Return why a regular file cannot be created or written, or an empty string if nothing speaks against it."""
    try:
        if path.is_dir():
            return "it is a folder"
        if path.exists() and not path.is_file():
            return "it is not a regular file"
        there = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
        if there != path and not there.is_dir():
            return f"{there} is not a folder"
    except OSError as err:
        return str(err.strerror)
    if os.access(there, os.W_OK | (0 if there == path else os.X_OK)):
        return ""
    return f"no permission for {there}, or the disk is read-only"


def is_foreign(path: Path) -> bool:
    """Tell whether a file is there that never was an SQLite database. After a power cut a database may begin with 0."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            first = file.read(SQLITE_MIN_PAGE)
    except OSError:
        return False
    write_ahead_log = path.with_name(f"{path.name}-wal")
    return not (first.startswith(SQLITE_MAGIC) or not any(first) or write_ahead_log.exists())


def _error(message: str, code: str, remedy: str) -> ConfigError:
    return ConfigError(message, code=code, remedy=remedy)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a FIFO without a writer would otherwise block."""
    return os.open(path, flags | os.O_NONBLOCK)


def _secret_errors(key: str, name: str, min_chars: int) -> Iterator[ConfigError]:
    path = paths.credential(name)
    if why := unreadable(path):
        if not is_credential(name):
            remedy = "Create the file, or let this user read it."
            yield _error(f"{key}: {path} cannot be read ({why})", "secret-unreadable", remedy)
    elif path.is_file() and len(path.read_bytes().strip()) < min_chars:
        problem = f"has fewer than {min_chars} characters" if min_chars > 1 else "is empty"
        yield _error(f"{key}: {path} {problem}", "secret-short", "Write the secret into it.")


def _program_error(program: str) -> ConfigError:
    if Path(program).is_file():
        return _error(f"{program!r} is not executable", "program-not-executable", f"Run: chmod +x {program}")
    return _error(f"{program!r} is not there", "program-missing", "Install it, or write its full path.")


def _unwritable_error(path: Path, why: str) -> ConfigError:
    remedy = "Let this user write there, or name another place."
    return _error(f"{path} cannot be written ({why})", "file-unwritable", remedy)


def _socket_errors(path: Path) -> Iterator[ConfigError]:
    remedy = "Remove it, or give the socket another path."
    if _is_other_file(path):
        yield _error(f"socket {path}: another file has this name", "socket-path-taken", remedy)
    elif not path.is_socket() and (why := unwritable(path)):
        yield _error(f"socket {path} cannot be created ({why})", "socket-unwritable", remedy)


def _is_other_file(path: Path) -> bool:
    """Tell whether something else lies where a socket goes. An old socket is replaced; another file is not."""
    try:
        return not stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def _files(required: Requirements) -> Iterator[Path]:
    for path in (*required.writes, *(each for each in required.binds if isinstance(each, Path))):
        yield path.resolve()


def _spelled(thing: object) -> str:
    return f"{thing[0]}:{thing[1]}" if isinstance(thing, tuple) else str(thing)
