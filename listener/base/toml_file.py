"""TOML files: reading them, and the line numbers of keys, which no TOML library gives."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from listener.base.textfile import read_text
from listener.errors import ConfigError

Key = tuple[str | int, ...]  # ("sink", 1, "path"): `path` in the second [[sink]]

HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?$")
ASSIGNMENT = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
QUOTES = ('"""', "'''")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: The file cannot be read or is not TOML (`toml-invalid`).
    """
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        remedy = "Correct that place. See https://toml.io for how TOML is written."
        raise ConfigError(f"{path} is not valid TOML: {err}", code="toml-invalid", remedy=remedy) from err
    except (ValueError, RecursionError) as err:  # a number of thousands of digits; tables in tables
        remedy = "Shorten its numbers, and nest its lists and tables less deeply."
        raise ConfigError(f"{path} is too large for TOML", code="toml-invalid", remedy=remedy) from err


def toml_value(text: str) -> Any:
    """Read one value, or return the text itself if it is not a TOML value."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def line_of(text: str, key: Key) -> int | None:
    """Return the line, from 1, of a key or else of the innermost table that would contain it."""
    best_length, best_line = 0, None
    for number, found in _keys(text):
        common = _common(found, key)
        if common > best_length and common == len(found):
            best_length, best_line = common, number
    return best_line


def _keys(text: str) -> Iterator[tuple[int, Key]]:
    """Yield the keys that begin a line, with the line's number."""
    table: Key = ()
    counts: dict[Key, int] = {}
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
        elif header := HEADER.match(line):
            table = _numbered(_parts(header[2]), counts, is_array=header[1] == "[[")
            yield number, table
        elif assignment := ASSIGNMENT.match(line):
            quote = next((each for each in QUOTES if line.count(each) % 2), "")
            yield number, (*table, *_parts(assignment[1]))


def _numbered(parts: Sequence[str], counts: dict[Key, int], *, is_array: bool) -> Key:
    """Insert the current number of each array of tables."""
    table: Key = ()
    for index, part in enumerate(parts):
        table = (*table, part)
        if is_array and index == len(parts) - 1:
            counts[table] = counts.get(table, -1) + 1
        if table in counts:
            table = (*table, counts[table])
    return table


def _parts(dotted: str) -> list[str]:
    """Split a key at its dots, quoted parts included."""
    try:
        value: Any = tomllib.loads(f"{dotted} = 0")
    except ValueError:
        return [dotted]
    parts = []
    while isinstance(value, dict):
        (part, value), *_ = value.items()
        parts.append(part)
    return parts


def _common(found: Key, key: Key) -> int:
    """Return how many parts two keys have in common at their beginning."""
    same = [a == b for a, b in zip(found, key, strict=False)]
    return same.index(False) if False in same else len(same)
