"""What is made once and kept on disk: named by what went into it, and made by one process while others wait."""

import fcntl
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


def digest(*parts: object, files: Iterable[Path] = ()) -> str:
    """A short name for some values, by their repr, and the contents of some files; one that is not there is empty.

    Contents, not times: a checkout or a backup that comes back later has its files' times changed.
    """
    total = hashlib.sha256(repr(parts).encode())
    for path in files:
        total.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return total.hexdigest()[:16]


def sources(*makers: Callable[..., Any]) -> list[Path]:
    """The files in which some functions and classes are written; for one of a package's, all of the package.

    What they make is named by them too: nobody has to remember that it is to be made again.
    """
    paths = [Path(inspect.getfile(maker)) for maker in makers]
    return [file for path in paths for file in (sorted(path.parent.rglob("*.py")) if _is_package(path) else [path])]


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Within, no other process is within for the same path; it waits, and finds what this one has made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is there under its name once all of it is written: a run that is killed leaves none."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
    part.replace(path)


def _is_package(path: Path) -> bool:
    return path.name == "__init__.py"
