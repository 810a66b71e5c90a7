"""Sections of the configuration: frozen structs whose fields state their unit, range and meaning.

Every part declares its own `Config` as such a section. `convert` reads sections; `render` writes them as config.toml.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from listener.base.label_names import suggestion
from listener.base.toml_file import Key
from listener.errors import ConfigError, ConfigErrors

# `Meta` is exported so that other modules need not import msgspec.
__all__ = ["Errors", "Meta", "Place", "Section", "changed", "convert", "render", "suggestion"]

SHOWN_CHARS = 40  # of a wrong value, in a message
NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base class of sections. Fields are declared with `Annotated[type, Meta(description=…, ge=…)]`.

    Subclasses repeat `frozen=True`: msgspec inherits it, but type checkers do not know.
    """


T = TypeVar("T", bound=Section)
Struct = TypeVar("Struct", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the configuration: its key, and how messages name it."""

    key: Key
    words: str

    def __truediv__(self, name: str) -> "Place":
        return Place((*self.key, name), f"{self.words}.{name}" if self.words else name)

    def error(self, problem: str, code: str, remedy: str = "") -> ConfigError:
        """Return an error about this place."""
        return ConfigError(f"{self.words}: {problem}", code=code, remedy=remedy, key=self.key)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Add this place to an error that is raised in the block."""
        try:
            yield
        except ConfigError as err:
            raise self.error(err.message, err.code, err.remedy) from err


@dataclass
class Errors:
    """Collects errors, so that all of them are reported at once."""

    found: list[ConfigError] = field(default_factory=list)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error that is raised in the block."""
        try:
            yield
        except ConfigError as err:
            self.found.append(err)

    def raise_any(self) -> None:
        """Raise the errors, if there are any.

        Raises:
            ConfigError: One error.
            ConfigErrors: Several errors.
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise ConfigErrors(self.found)


def convert(table: object, section: type[T], place: Place) -> T:
    """Read a section from a TOML table.

    Raises:
        ConfigError: Something is wrong with one key; `ConfigErrors` if several keys are wrong.
    """
    if not isinstance(table, dict):
        raise place.error(f"{_shown(table)} is not a table", "config-value", f"Write it as [{place.words}].")
    errors = Errors()
    hints = get_type_hints(section, include_extras=True)
    for key, value in table.items():
        with errors.collected():
            if key not in section.__struct_fields__:
                remedy = suggestion(key, section.__struct_fields__)
                raise (place / key).error("unknown key", "config-key-unknown", remedy)
            _check(value, hints[key], place / key)
    errors.raise_any()
    try:
        return msgspec.convert(table, section)
    except msgspec.ValidationError as err:  # a section of a plug-in may have checks of its own
        raise place.error(str(err), "config-value") from err


def changed(section: Struct, **changes: Any) -> Struct:
    """Return the section with some fields changed, unchecked: for flags whose values are known to be right."""
    return msgspec.structs.replace(section, **changes)


def render(section: Section, header: str) -> Iterator[str]:
    """Yield the lines of a section in config.toml: each field's meaning, then its default, all as comments."""
    yield header
    hints = get_type_hints(type(section), include_extras=True)
    for name in section.__struct_fields__:
        meaning = next((meta.description for meta in get_args(hints[name])[1:] if isinstance(meta, Meta)), None)
        if meaning:
            yield f"# {meaning}"
        default = getattr(section, name)
        yield f"# {name} = {json.dumps(default, ensure_ascii=False)}" if default is not None else f"# {name} is not set"


def _check(value: object, hint: Any, place: Place) -> None:
    try:
        msgspec.convert(value, hint)
    except (msgspec.ValidationError, RecursionError) as err:
        expected = " or ".join(dict.fromkeys(_expected(hint)))
        raise place.error(f"{_shown(value)} is not {expected}", "config-value", _remedy(value, hint)) from err


def _remedy(value: object, hint: Any) -> str:
    choices = [choice for part in _parts(hint) for choice in _choices(part)]
    if choices:
        wrong = next((each for each in (value if isinstance(value, list) else [value]) if each not in choices), "")
        return suggestion(str(wrong), choices)
    kinds = {get_origin(part) or part for part, _ in map(_unannotated, _parts(hint))}
    if isinstance(value, str) and kinds <= {int, float, bool}:
        return "Remove the quotes." if _is_number(value) or value in ("true", "false") else ""
    if str in kinds and isinstance(value, (int, float)):
        return "Put it in quotes."
    return ""


def _expected(hint: Any) -> Iterator[str]:
    """Yield what a value may be, in words."""
    for part in _parts(hint):
        kind, metas = _unannotated(part)
        origin = get_origin(kind) or kind
        if choices := _choices(kind):
            yield f"{'a list of some of' if origin in (list, tuple) else 'one of'} {', '.join(choices)}"
        elif origin in (list, tuple) and str in get_args(kind):
            yield "a list of texts in quotes"
        else:
            yield NAMES.get(origin, "a valid value") + "".join(map(_bounds, metas))


def _parts(hint: Any) -> Iterator[Any]:
    """Yield the alternatives of a union, without None."""
    kind, metas = _unannotated(hint)
    if get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            if part is not NoneType:
                yield from _parts(part)
    else:
        yield Annotated[kind, *metas] if metas else kind


def _unannotated(hint: Any) -> tuple[Any, tuple[Meta, ...]]:
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _choices(hint: Any) -> list[str]:
    """Return the values of a Literal, or of a list of a Literal."""
    kind, _ = _unannotated(hint)
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    return [choice for each in get_args(kind) for choice in _choices(each)] if get_origin(kind) in (list, tuple) else []


def _bounds(meta: Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge:g} to {meta.le:g}"
    if meta.min_length:
        return ", not empty"
    bounds = (
        ("of at least", meta.ge),
        ("of at most", meta.le),
        ("greater than", meta.gt),
        ("less than", meta.lt),
    )
    return "".join(f" {words} {bound:g}" for words, bound in bounds if bound is not None).replace(" less", " and less")


def _shown(value: object) -> str:
    """Return a value as TOML would write it, cut short."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "this value"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
