"""Settings written into a configuration file, its comments and order kept. The only file that knows tomlkit."""

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
    """Put them into the file, whole or not at all; where the file as it was is now. None: there was none.

    ConfigError where the file cannot be written, or would not be right with them.
    """
    path = path.resolve()  # a link stays one
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
        raise ConfigError(f"{path}: cannot be written ({err.strerror}); as its owner? Try sudo") from err
    return backup


def rewritten(text: str, proposals: Iterable[Proposal]) -> str:
    """The same TOML with the settings in it."""
    try:
        document = tomlkit.parse(text)
        for proposal in proposals:
            *tables, last = proposal.key
            place: MutableMapping[str, Any] = document
            for table in tables:
                place = _section(place, table)
            place[last] = proposal.value
        return _spelled(document)
    except (TOMLKitError, TypeError, ValueError) as err:  # an inline table takes no other
        raise ConfigError(f"the configuration cannot be changed ({err}); write the settings yourself") from err


def _section(place: MutableMapping[str, Any], name: str) -> MutableMapping[str, Any]:
    """The section of that name, made where there is none. TypeError where the name is a value's."""
    section = place.setdefault(name, tomlkit.table(is_super_table=name == "labels"))
    if not isinstance(section, MutableMapping):
        raise TypeError(f"{name} is no section")
    return section


def _spelled(document: tomlkit.TOMLDocument) -> str:
    """As TOML. ValueError where that is not what the document is: tomlkit mixes [labels.a] with labels.b.on up."""
    text = tomlkit.dumps(document)
    if tomllib.loads(text) != document.unwrap():
        raise ValueError("sections are written as dotted keys")
    return text


@contextmanager
def _checked(path: Path, text: str) -> Iterator[Path]:
    """A file beside it that may take its place, gone afterwards. ConfigError where the text is not right."""
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
    """ConfigError where it is not right, under the name that its owner knows."""
    try:
        configuration.load(fresh)
    except ConfigError as err:
        raise ConfigError(str(err).replace(str(fresh), str(path))) from err


def _backup(path: Path) -> Path:
    """Where the file may be kept as it is: not over the first, which is as its owner wrote it; at last over the last.

    A link, even to nothing, is there too: what it leads to is somebody's.
    """
    names = [f"{path.name}.bak", *(f"{path.name}.bak.{number}" for number in range(1, BACKUPS))]
    places = [path.with_name(name) for name in names]
    return next((place for place in places if not os.path.lexists(place)), places[-1])


def _like(fresh: Path, path: Path) -> None:
    """Mode and owner as they were; for a new file as a user's configuration usually is."""
    if not path.exists():
        fresh.chmod(0o644)
        return
    shutil.copymode(path, fresh)
    was = path.stat()
    if (was.st_uid, was.st_gid) != (os.getuid(), os.getgid()):
        os.chown(fresh, was.st_uid, was.st_gid)
