"""Reads a configuration, and reports all its errors with their lines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from listener.base import paths, registry, requirements
from listener.base.schema import Errors, Place, convert, suggestion
from listener.base.textfile import read_text
from listener.base.toml_file import line_of, read_toml, toml_value
from listener.config.sections import SECTIONS, SOCKET, SYSTEM_FILE, Config, Part
from listener.errors import ConfigError, ConfigErrors
from listener.pipeline.tracker import LabelConfig
from listener.routing.controls import EVERYTHING
from listener.routing.filters import FilterConfig, parse_hours

SOCKET_REMEDY = "Remove the section; set socket, tcp and token_file in [daemon] if you need them."
TABLES = (*SECTIONS, "labels", "groups", "source", "sink")
DEFAULT_SOURCES = ({"kind": "microphone"},)
DEFAULT_SINKS = ({"kind": "console"},)


def part(what: Literal["source", "sink"], table: object, place: Place | None = None) -> Part:
    """Read a [[source]] or [[sink]] table.

    Args:
        what: Which of the two it is.
        table: The table as TOML gives it.
        place: Where the table stands, for errors.

    Raises:
        ConfigError: The kind is missing or unknown, or a key is wrong.
    """
    place = place or Place((what,), what)
    kind = table.get("kind") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(kind, str):
        raise place.error("kind is missing", "part-kind-missing", "Write, for example, kind = 'microphone'.")
    place = Place(place.key, f"{place.words} ({kind})")
    settings = {key: value for key, value in table.items() if key != "kind"}
    when = settings.pop("when", {}) if what == "sink" else {}
    with place.named():
        factory = registry.source(kind) if what == "source" else registry.sink(kind)
    errors = Errors()
    section: Any = None
    with errors.collected():
        section = convert(settings, factory.Config, place)
    with errors.collected():
        when = _when(when, place / "when")
    errors.raise_any()
    return Part(kind, factory, section, when)


def find() -> Path | None:
    """Return the configuration file that is used by default: the user's, else the system's, if there is one."""
    try:
        candidates = [user_file(), paths.of_system(SYSTEM_FILE)]
    except ConfigError:  # a user without a home
        candidates = [paths.of_system(SYSTEM_FILE)]
    return next((path for path in candidates if path.is_file()), None)


def user_file() -> Path:
    """Return where a user's own configuration is, whether it exists or not.

    Raises:
        ConfigError: The user has no home.
    """
    return paths.config_folder() / "listener" / "config.toml"


def load(path: Path | None, overrides: Sequence[str] = (), tables: dict[str, Any] | None = None) -> Config:
    """Read a configuration.

    Args:
        path: The file; None for the defaults.
        overrides: Settings such as `gate.kind=bands`, which win over the file.
        tables: Whole tables, which win over both.

    Raises:
        ConfigError: Something is wrong; `ConfigErrors` with all errors of the file if there are several.
    """
    document = read_toml(path) if path else {}
    with located(path):
        config = _build(document, path)  # without the overrides, so that an error is one of the file
    if not overrides and not tables:
        return config
    for override in overrides:
        _override(document, override)
    return _build(document | (tables or {}), path)


@contextmanager
def located(path: Path | None) -> Iterator[None]:
    """Add the file and the line to configuration errors that are raised in the block."""
    try:
        yield
    except ConfigError as err:
        if path is None:
            raise
        errors = [_located(each, path) for each in (err.errors if isinstance(err, ConfigErrors) else [err])]
        raise errors[0] if len(errors) == 1 else ConfigErrors(errors)  # noqa: B904 - they are the same errors


def deprecations(config: Config) -> list[ConfigError]:
    """Find sections that are still understood, but have moved."""
    errors = Errors()
    with errors.collected(), located(config.path):
        Errors(
            [
                place.error("the control socket is no longer a sink", "sink-socket-moved", SOCKET_REMEDY)
                for place, part in config.outputs
                if part.kind == SOCKET and place.key[0] == "sink"
            ]
        ).raise_any()
    return [each for err in errors.found for each in (err.errors if isinstance(err, ConfigErrors) else [err])]


def _located(err: ConfigError, path: Path) -> ConfigError:
    line = line_of(read_text(path), err.key) if err.key and path.is_file() else None
    where = f"{path}:{line}" if line else str(path)
    return ConfigError(f"{where}: {err.message}", code=err.code, remedy=err.remedy, key=err.key)


def _override(document: dict[str, Any], override: str) -> None:
    """Put `gate.kind=bands` into the document."""
    key, equals, text = override.partition("=")
    *tables, last = key.strip().split(".")
    if not equals or not last or not tables:
        remedy = "Write section.key=value, for example gate.kind=bands."
        raise ConfigError(f"--set {override} is not a setting", code="override-invalid", remedy=remedy)
    place: Any = document
    for table in tables:
        place = place.setdefault(table, {})
        if not isinstance(place, dict):
            remedy = "Write sources and sinks in the file."
            raise ConfigError(f"--set {override}: {table!r} is not a table", code="override-invalid", remedy=remedy)
    place[last] = toml_value(text)


def _build(document: dict[str, Any], path: Path | None) -> Config:
    errors = Errors()
    for name, table in document.items():
        with errors.collected():
            _check_table(name, table)
    errors.raise_any()
    found: dict[str, Any] = {"labels": {}, "groups": {}, "source": [], "sink": []}
    for name, section in SECTIONS.items():
        with errors.collected():
            found[name] = convert(document.get(name, {}), section, Place((name,), name))
    for label, table in document.get("labels", {}).items():
        with errors.collected():
            found["labels"][label] = _label(table, Place(("labels", label), f"labels.{label}"))
    for group, labels in document.get("groups", {}).items():
        with errors.collected():
            found["groups"][group] = _group(labels, group)
    for what, default in (("source", DEFAULT_SOURCES), ("sink", DEFAULT_SINKS)):
        for number, table in enumerate(document.get(what, default)):
            with errors.collected():
                found[what].append(part(what, table, Place((what, number), f"{what} {number + 1}")))  # type: ignore[arg-type]
    errors.raise_any()
    config = Config(path=path, sources=tuple(found.pop("source")), sinks=tuple(found.pop("sink")), **found)
    Errors(list(_contradictions(config))).raise_any()
    return config


def _check_table(name: str, table: object) -> None:
    place, is_list = Place((name,), name), name in ("source", "sink")
    if name not in TABLES:
        raise place.error("unknown key", "config-key-unknown", suggestion(name, TABLES))
    if not isinstance(table, list if is_list else dict):
        remedy = f"Write it as {f'[[{name}]]' if is_list else f'[{name}]'}."
        raise place.error("is not a table", "config-value", remedy)


def _label(table: object, place: Place) -> LabelConfig:
    section = convert(table, LabelConfig, place)
    if section.name is not None and (
        not section.name.strip() or not section.name.isprintable() or section.name == EVERYTHING
    ):
        problem = f"{section.name!r} cannot be the name of a label"
        raise (place / "name").error(problem, "name-reserved", "Write another name, or leave it out.")
    return section


def _group(labels: object, group: str) -> list[str]:
    place = Place(("groups", group), f"groups.{group}")
    if group == EVERYTHING:
        problem = f"{EVERYTHING!r} cannot be the name of a group: it stands for everything"
        raise place.error(problem, "name-reserved", "Give the group another name.")
    if not isinstance(labels, list) or any(not isinstance(label, str) for label in labels):
        raise place.error("is not a list of labels", "config-value", 'Write, for example, pets = ["dog_bark"].')
    return labels


def _when(table: object, place: Place) -> FilterConfig:
    when = convert(table, FilterConfig, place)
    with (place / "hours").named():
        parse_hours(when.hours)
    return when


def _contradictions(config: Config) -> Iterator[ConfigError]:
    """Yield errors for settings that are valid one by one but not together."""
    present: list[str] = []
    for number, source in enumerate(config.sources):
        name, place = source.config.name, Place(("source", number, "name"), f"source {number + 1} ({source.kind}).name")
        if name in present:
            problem = f"another source is called {name!r}"
            yield place.error(problem, "name-duplicate", "Give each source a name of its own.")
        if name == EVERYTHING:
            problem = f"{EVERYTHING!r} cannot be the name of a source: it stands for everything"
            yield place.error(problem, "name-reserved", "Give the source another name.")
        present.append(name)
    if not present:
        remedy = "Write a [[source]], or leave `source` out for the default microphone."
        yield Place(("source",), "source").error("there is none", "source-none", remedy)
    for place, when in config.filters:
        for name in when.sources:
            if name not in present:
                problem = f"there is no source {name!r}"
                yield (place / "sources").error(problem, "source-unknown", suggestion(name, present))
    if config.clips.first_s > config.clips.hop_s:
        problem = f"{config.clips.first_s:g} is more than clips.hop_s, {config.clips.hop_s:g}"
        remedy = "Lower it, or raise clips.hop_s."
        yield Place(("clips", "first_s"), "clips.first_s").error(problem, "clips-contradiction", remedy)
    yield from _source_conflicts(config)


def _source_conflicts(config: Config) -> Iterator[ConfigError]:
    errors, required = Errors(), []
    for number, source in enumerate(config.sources):
        place = Place(("source", number), f"source {number + 1} ({source.kind})")
        with errors.collected(), place.named():
            required.append((place.words, source.factory(source.config).requirements))
    yield from (*errors.found, *requirements.conflicts(required))
