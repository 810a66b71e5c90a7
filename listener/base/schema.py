"""What a section of the configuration is made of: frozen structs whose fields say their unit, range and meaning.

Every part declares its own `Config`, built-in parts as a stranger's would; `config` reads them, and
`render` writes them as the commented config.toml.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from listener.errors import ConfigError

# `Meta` is exported so that other modules need not import msgspec.
__all__ = [
    "Meta",
    "Section",
    "changed",
    "convert",
    "nearest",
    "render",
    "suggestion",
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of every section. Fields are declared with `Annotated[type, Meta(description=…, ge=…)]`.

    Subclasses say `frozen=True` again: msgspec inherits it, type checkers do not know.
    """


T = TypeVar("T", bound=Section)


def convert(table: dict[str, Any], section: type[T], where: str) -> T:
    """The struct of a TOML table; ConfigError names the key, what is wrong and the nearest valid name."""
    for key in table:
        if key not in section.__struct_fields__:
            raise ConfigError(f"{_path(where, key)}: unknown key{nearest(key, section.__struct_fields__)}")
    try:
        return msgspec.convert(table, section)
    except msgspec.ValidationError as err:
        problem, _, at = str(err).partition(" - at `$")
        key = at.strip(".`")
        choices = nearest("", _choices(section, key)) if "enum" in problem else ""
        raise ConfigError(f"{_path(where, key)}: {problem[:1].lower()}{problem[1:]}{choices}") from err


def changed(section: T, **changes: Any) -> T:
    """The section with some fields changed, unchecked: for flags whose values are known to be right."""
    return msgspec.structs.replace(section, **changes)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint to append to a message: the valid name that was probably meant, else all of them."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid are: {', '.join(names)}" if names else ""


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the valid name that was probably meant, else all valid names."""
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Valid names: {', '.join(names)}." if names else ""


def render(section: Section, header: str) -> Iterator[str]:
    """The lines of a section in config.toml: each field's meaning as a comment, then its default, commented out."""
    yield header
    hints = get_type_hints(type(section), include_extras=True)
    for field in section.__struct_fields__:
        meaning = next((meta.description for meta in get_args(hints[field])[1:] if isinstance(meta, Meta)), None)
        if meaning:
            yield f"# {meaning}"
        default = getattr(section, field)
        yield f"# {field} = {_toml(default)}" if default is not None else f"# {field} is not set"


def _choices(section: type[Section], key: str) -> list[str]:
    """The values that a field may have, where it is one of a few."""
    hint: Any = get_type_hints(section).get(key.partition("[")[0])
    of_each = [choice for part in get_args(hint) for choice in get_args(part)]  # of a tuple of some
    return [choice for choice in (*get_args(hint), *of_each) if isinstance(choice, str)]


def _path(where: str, key: str) -> str:
    return ".".join(part for part in (where, key) if part)


def _toml(value: object) -> str:
    return msgspec.json.encode(value).decode()
