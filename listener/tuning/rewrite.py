"""Writes settings into a configuration file and keeps its comments and order. The only module that uses tomlkit."""

import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from listener import config as configuration
from listener.base.textfile import read_text
from listener.errors import ConfigError
from listener.tuning.proposals import Proposal

BACKUPS = 10


def write(path: Path, proposals: Iterable[Proposal]) -> Path | None:
    """Write settings into a file, completely or not at all.

    Returns:
        A copy of the file as it was before; None if there was none.

    Raises:
        ConfigError: The file cannot be written, or would not be valid with them.
    """
    path = path.resolve()  # keeps a symbolic link
    try:
        was_there = path.exists()
        before = read_text(path) if was_there else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with _checked(path, rewritten(before, proposals)) as fresh:
            backup = _backup(path) if was_there else None
            if backup:
                shutil.copy2(path, backup)
            fresh.replace(path)
    except OSError as err:
        raise ConfigError(
            f"{path}: cannot be written ({err.strerror})", code="save-unwritable", remedy="Run it as the file's owner."
        ) from err
    return backup


def rewritten(text: str, proposals: Iterable[Proposal]) -> str:
    """Return the TOML with the settings in it."""
    try:
        document = tomlkit.parse(text)
        for proposal in proposals:
            *tables, last = proposal.key
            place: MutableMapping[str, Any] = document
            for table in tables:
                place = _section(place, table)
            place[last] = proposal.value
        return _spelled(document)
    except (TOMLKitError, TypeError, ValueError) as err:  # an inline table cannot hold another table
        raise ConfigError(
            f"the configuration cannot be changed ({err})", code="save-layout", remedy="Write the settings yourself."
        ) from err


def _section(place: MutableMapping[str, Any], name: str) -> MutableMapping[str, Any]:
    """Return a section, and create it if it is missing. Raises TypeError if a value has its name."""
    section = place.setdefault(name, tomlkit.table(is_super_table=name == "labels"))
    if not isinstance(section, MutableMapping):
        raise TypeError(f"{name} is not a section")
    return section


def _spelled(document: tomlkit.TOMLDocument) -> str:
    """Return the document as TOML. Raises ValueError if tomlkit confused [labels.a] and labels.b.on."""
    text = tomlkit.dumps(document)
    if tomllib.loads(text) != document.unwrap():
        raise ValueError("it has dotted keys in place of sections")
    return text


@contextmanager
def _checked(path: Path, text: str) -> Iterator[Path]:
    """Yield a file beside `path` with a valid configuration that may replace it; it is deleted afterwards."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _load(fresh, path)
        _like(fresh, path)
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _load(fresh: Path, path: Path) -> None:
    """Check the new configuration. Errors name the file that its owner knows."""
    try:
        configuration.load(fresh)
    except ConfigError as err:
        message, remedy = (text.replace(str(fresh), str(path)) for text in (err.message, err.remedy))
        raise ConfigError(message, code=err.code, remedy=remedy) from err


def _backup(path: Path) -> Path:
    """Return where to copy the file: the first free name, or else over the last copy.

    The first copy, which is as its owner wrote it, stays. A symbolic link, even a dangling one, is not free.
    """
    names = [f"{path.name}.bak", *(f"{path.name}.bak.{number}" for number in range(1, BACKUPS))]
    places = [path.with_name(name) for name in names]
    return next((place for place in places if not os.path.lexists(place)), places[-1])


def _like(fresh: Path, path: Path) -> None:
    """Set mode and owner as they were, or as usual for a new configuration."""
    if not path.exists():
        fresh.chmod(0o644)
        return
    shutil.copymode(path, fresh)
    was = path.stat()
    if (was.st_uid, was.st_gid) != (os.getuid(), os.getgid()):
        os.chown(fresh, was.st_uid, was.st_gid)
