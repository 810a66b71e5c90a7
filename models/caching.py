"""What is made once and kept on disk: named by what went into it, and made by one process while others wait."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def digest(*parts: object, files: Iterator[Path] | tuple[Path, ...] = ()) -> str:
    """A short name for some values, by their repr, and the contents of some files; one that is not there is empty.

    Contents, not times: a checkout or a backup that comes back later has its files' times changed.
    """
    total = hashlib.sha256(repr(parts).encode())
    for path in files:
        total.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return total.hexdigest()[:16]


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Within, no other process is within for the same path; it waits, and finds what this one has made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
