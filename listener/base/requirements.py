"""What a source or sink needs of this machine, said before it is opened, and whether it is there."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener.base import paths
from listener.base.addresses import Address
from listener.base.schema import nearest
from listener.storage.sqlite import is_foreign


@dataclass(frozen=True, slots=True)
class Needs:
    """A part that has any declares them as its property `needs`. Keys are those of its section.

    What does not depend on its section it may declare as `needs` of its class, which is known before it is made.
    """

    reads: Mapping[str, Path] = field(default_factory=dict)  # files that must be readable
    secrets: Mapping[str, str] = field(default_factory=dict)  # likewise; a bare name may be a credential of systemd's
    shortest: int = 1  # so many characters a secret has at least
    program: str = ""  # is run
    writes: tuple[Path, ...] = ()  # files that it makes, and no other part may
    databases: tuple[Path, ...] = ()  # of SQLite's, among those: what else lies there is not ours to write over
    folders: tuple[Path, ...] = ()  # it makes files in them, and so may others
    binds: tuple[Path | Address, ...] = ()  # sockets that it listens at
    takes: tuple[str, ...] = ()  # what else is only for one part, in words
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what must be a label or a group


def of(part: object) -> Needs:
    """What a source or sink needs; nothing where it does not say."""
    needs = getattr(part, "needs", None)
    return needs if isinstance(needs, Needs) else Needs()


def faults(needs: Needs) -> Iterator[str]:
    """What is not there, one line each, with the remedy."""
    for key, path in needs.reads.items():
        if why := unreadable(path):
            yield f"{key}: {path} cannot be read ({why}); correct {key}, or make the file readable"
    for key, name in needs.secrets.items():
        yield from _secret_faults(key, name, needs.shortest)
    if needs.program and shutil.which(needs.program) is None:
        yield f"{needs.program!r} cannot be run: it {_no_program(needs.program)}"
    for path in needs.writes:
        if why := unwritable(path):
            yield f"{path} cannot be written ({why}); let this user write there, or name another file"
    for path in needs.databases:
        if is_foreign(path):
            yield f"{path} is no database; name another file, or move it away"
    for path in needs.folders:
        if why := unwritable(path / "any"):
            yield f"{path} cannot be written to ({why}); let this user write there"
    for door in needs.binds:
        if isinstance(door, Path):
            yield from _door_faults(door)


def strangers(needs: Needs, known: Sequence[str]) -> Iterator[str]:
    """Names that the model has neither as a label nor as a group, one line each."""
    for key, names in needs.labels.items():
        for name in names:
            if name not in known:
                yield f"{key}: there is no label or group {name!r}{nearest(name, known)}"


def clashes(parts: Sequence[tuple[str, Needs]]) -> Iterator[str]:
    """What two parts want for themselves alone. Each part comes with what it is called."""
    taken: dict[Any, str] = {}
    for name, needs in parts:
        for thing in (*_files(needs), *(door for door in needs.binds if not isinstance(door, Path)), *needs.takes):
            if isinstance(thing, tuple) and thing[1] == 0:
                continue
            if thing in taken:
                yield f"{name}: {_spelled(thing)} is {taken[thing]}'s already; give each its own"
            taken.setdefault(thing, name)


def awaits_systemd(name: str) -> bool:
    """Whether a secret is named as a credential, which is there only for the service itself."""
    return paths.credential(name) == Path(name) == Path(Path(name).name)


def unreadable(path: Path) -> str:
    """Why a file cannot be read; empty where it can."""
    try:
        with open(path, "rb", opener=_at_once):
            return ""
    except OSError as err:
        return str(err.strerror)


def unwritable(path: Path) -> str:
    """Why a file cannot be made or written; empty where it can, as far as can be told without doing so."""
    try:
        if path.is_dir():
            return "it is a folder"
        there = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
        if there != path and not there.is_dir():
            return f"{there} is no folder"
    except OSError as err:
        return str(err.strerror)
    if os.access(there, os.W_OK | (0 if there == path else os.X_OK)):
        return ""
    return f"no permission for {there}, or a read-only disk"


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe would keep us until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _secret_faults(key: str, name: str, shortest: int) -> Iterator[str]:
    path = paths.credential(name)
    if why := unreadable(path):
        if not awaits_systemd(name):
            yield f"{key}: {path} cannot be read ({why}); make the file, or let this user read it"
    elif path.is_file() and len(path.read_bytes().strip()) < shortest:
        least = f"has less than {shortest} characters" if shortest > 1 else "is empty"
        yield f"{key}: {path} {least}; write the secret into it"


def _door_faults(door: Path) -> Iterator[str]:
    if why := unwritable(door):
        yield f"socket {door} cannot be made ({why}); give the socket sink another path"
    elif _is_taken(door):
        yield f"socket {door}: something else has this name; remove it, or give the socket sink another path"


def _is_taken(door: Path) -> bool:
    """Whether what lies at the place of a socket is none: an old socket is taken over, anything else is not ours."""
    try:
        return not stat.S_ISSOCK(door.lstat().st_mode)
    except OSError:
        return False


def _files(needs: Needs) -> Iterator[Path]:
    for path in (*needs.writes, *(door for door in needs.binds if isinstance(door, Path))):
        yield path.resolve()


def _spelled(thing: object) -> str:
    return f"{thing[0]}:{thing[1]}" if isinstance(thing, tuple) else str(thing)


def _no_program(program: str) -> str:
    if Path(program).is_file():
        return f"is not executable; chmod +x {program}"
    return "is not there; install it, or write its full path"
