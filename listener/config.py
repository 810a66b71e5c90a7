"""The configuration: TOML into frozen structs. Every default lives here or in the `Config` of its part."""

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from listener.base import paths, registry, requirements
from listener.base.schema import Meta, Section, convert, nearest, render
from listener.errors import ConfigError
from listener.pipeline.bundle import Bundle, LabelRule
from listener.pipeline.clipper import ClipConfig
from listener.pipeline.gates import GateConfig
from listener.pipeline.loudness import LOUD, LoudConfig
from listener.pipeline.tracker import EventConfig, LabelConfig
from listener.routing.controls import EVERYTHING
from listener.routing.filters import FilterConfig, parse_hours

OF_THE_MACHINE = Path("/etc/listener/config.toml")


class ModelConfig(Section, frozen=True):
    """Which model, and where it runs."""

    bundle: Annotated[
        str, Meta(description="the model: 'default', 'free' (fewer labels, free weights), or a bundle's folder")
    ] = "default"
    providers: Annotated[
        Literal["auto", "cpu", "cuda"], Meta(description="where the model runs: auto takes CUDA where it is; cpu; cuda")
    ] = "auto"


class DaemonConfig(Section, frozen=True):
    """The program itself."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="what the program says of itself, on stderr")
    ] = "info"


@dataclass(frozen=True, slots=True)
class Part:
    """A source or sink as configured: its class, not yet made, and its own section."""

    kind: str
    factory: Any
    config: Any
    when: FilterConfig = field(default_factory=FilterConfig)  # of a sink


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, checked."""

    path: Path | None
    daemon: DaemonConfig
    model: ModelConfig
    gate: GateConfig
    clips: ClipConfig
    events: EventConfig
    loud: LoudConfig
    labels: dict[str, LabelConfig]
    groups: dict[str, list[str]]
    sources: tuple[Part, ...]
    sinks: tuple[Part, ...]


SECTIONS: dict[str, type[Section]] = {
    "daemon": DaemonConfig,
    "model": ModelConfig,
    "gate": GateConfig,
    "clips": ClipConfig,
    "events": EventConfig,
    "loud": LoudConfig,
}
TABLES = (*SECTIONS, "labels", "groups", "source", "sink")
DEFAULT_SOURCES = ({"kind": "microphone"},)
DEFAULT_SINKS = ({"kind": "console"}, {"kind": "socket"})


def part(what: Literal["source", "sink"], table: dict[str, Any], where: str = "") -> Part:
    """The part that a [[source]] or [[sink]] table describes. ConfigError where it describes none."""
    settings, where = dict(table), where or what
    kind = settings.pop("kind")
    if what == "source":
        factory = registry.source(kind)
        return Part(kind, factory, convert(settings, factory.Config, where))
    factory = registry.sink(kind)
    when = _when(settings.pop("when", {}), f"{where}.when")
    return Part(kind, factory, convert(settings, factory.Config, where), when)


def find() -> Path | None:
    """The configuration file that is used when none is named: the user's, the machine's, or none."""
    return next((path for path in (of_user(), OF_THE_MACHINE) if path.is_file()), None)


def of_user() -> Path:
    """Where a user's own configuration is, or would be."""
    return paths.config_folder() / "listener" / "config.toml"


def load(path: Path | None, overrides: Sequence[str] = (), tables: dict[str, Any] | None = None) -> Config:
    """The configuration of a file, or the defaults; then `key=value` overrides, then whole tables from flags.

    ConfigError is one line: file, key, what is wrong, the nearest valid name.
    """
    document = _read(path) if path else {}
    with located(path):
        _build(document, path)  # by itself first, so that what is wrong with it is said of it
    for override in overrides:
        _override(document, override)
    return _build(document | (tables or {}), path)


@contextmanager
def located(path: Path | None) -> Iterator[None]:
    """What is wrong with the configuration inside is said of its file."""
    try:
        yield
    except ConfigError as err:
        raise ConfigError(f"{path}: {err}" if path else str(err)) from err


def defaults() -> str:
    """config.toml: every option with its default, commented out."""
    return "\n".join(_default_lines()) + "\n"


def rules(config: Config, bundle: Bundle) -> dict[str, LabelRule]:
    """The rule of every label that is to be reported: the bundle's, with what the configuration changes."""
    reported = [label for label in bundle.labels if config.labels.get(label, LabelConfig()).enabled]
    called = [names(config).get(label, label) for label in reported]
    for label, name in zip(reported, called, strict=True):
        if called.count(name) > 1 and name != label:
            raise ConfigError(f"labels.{label}.name: another label is reported as {name!r} already")
    if config.loud.enabled and LOUD in called:
        label = reported[called.index(LOUD)]
        raise ConfigError(
            f"loud.enabled: label {label!r} is reported as {LOUD!r} already; set labels.{label}.name to another name"
        )
    return {
        label: _rule(bundle.rules.get(label, LabelRule()), config.labels.get(label, LabelConfig()), label)
        for label in reported
    }


def names(config: Config) -> dict[str, str]:
    """Label of the model -> name under which it is reported, for those that have one."""
    return {label: section.name for label, section in config.labels.items() if section.name}


def event_labels(config: Config, bundle: Bundle) -> list[str]:
    """What events may be called: the labels that are reported, by their reported names, and `loud` where it is on."""
    called = [names(config).get(label, label) for label in rules(config, bundle)]
    return [*called, LOUD] if config.loud.enabled else called


def groups(config: Config, bundle: Bundle) -> dict[str, list[str]]:
    """The bundle's groups and the user's, which win, of labels under the names they are reported under."""
    called = names(config)
    return {
        group: [called.get(label, label) for label in labels]
        for group, labels in (bundle.groups | config.groups).items()
    }


def strangers(config: Config, bundle: Bundle) -> list[str]:
    """What the configuration names that does not fit this bundle, one line each.

    Labels that it lacks, sources that are named like a label or a group, so that a snooze of one would silence both,
    and sources that a reload has named and only a restart brings.
    An update of the model must not take a service down: a warning for `run`, an error for `check`.
    """
    mentioned = [(f"labels.{label}", label) for label in config.labels]
    loud = [LOUD] if config.loud.enabled else []
    mentioned += [
        (f"groups.{group}", label) for group, labels in config.groups.items() for label in labels if label not in loud
    ]
    where = f"{config.path}: " if config.path else ""
    unknown = [(key, label, bundle.labels) for key, label in mentioned if label not in bundle.labels]
    meant = [*(names(config).get(label, label) for label in bundle.labels), *loud, *groups(config, bundle)]
    unknown += [
        (f"sink {number} ({sink.kind}).when.labels", label, tuple(meant))
        for number, sink in enumerate(config.sinks, 1)
        for label in sink.when.labels
        if label not in meant
    ]
    lacking = [
        f"{where}{key}: model {bundle.name} has no label {label!r}{_hint(label, known)}"
        for key, label, known in unknown
    ]
    return [*lacking, *(f"{where}{line}" for line in (*_namesakes(config, bundle), *_absent_sources(config)))]


def _absent_sources(config: Config) -> Iterator[str]:
    """Sources that a sink waits for and that are none: after a reload, for that changes the sinks and no source."""
    there = [part.config.name for part in config.sources]
    for number, sink in enumerate(config.sinks, 1):
        for name in sink.when.sources:
            if name not in there:
                yield f"sink {number} ({sink.kind}).when.sources: {name!r} is not listened to before a restart"


def _namesakes(config: Config, bundle: Bundle) -> Iterator[str]:
    """Sources that a user cannot tell from a label or a group when it comes to a snooze."""
    heard = (*event_labels(config, bundle), *groups(config, bundle))
    for part in config.sources:
        if part.config.name in heard:
            yield (
                f"source.name: {part.config.name!r} is a label or group too; "
                "a snooze of one would silence both: rename it"
            )


def _hint(label: str, known: Sequence[str]) -> str:
    return "; set loud.enabled = true for it" if label == LOUD else nearest(label, known)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror})") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: not TOML: {err}") from err
    except RecursionError as err:
        raise ConfigError(f"{path}: lists in lists, too many to be read; write it anew") from err


def _override(document: dict[str, Any], override: str) -> None:
    """Put `gate.kind=bands` into the document. The value is TOML where it parses as TOML, else text."""
    key, equals, text = override.partition("=")
    *tables, last = key.strip().split(".")
    if not equals or not last or not tables:
        raise ConfigError(f"--set {override}: write it as section.key=value, for example gate.kind=bands")
    for table in tables:
        document = document.setdefault(table, {})
        if not isinstance(document, dict):
            raise ConfigError(f"--set {override}: {table!r} is no table of settings; write lists in the file")
    try:
        document[last] = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        document[last] = text


def _build(document: dict[str, Any], path: Path | None) -> Config:
    for name, table in document.items():
        if name not in TABLES:
            raise ConfigError(f"{name}: unknown key{nearest(name, TABLES)}")
        wanted = list if name in ("source", "sink") else dict
        if not isinstance(table, wanted):
            raise ConfigError(f"{name}: write it as {f'[[{name}]]' if wanted is list else f'[{name}]'}")
    sections: dict[str, Any] = {
        name: convert(document.get(name, {}), section, name) for name, section in SECTIONS.items()
    }
    config = Config(
        path=path,
        labels={label: _label(table, label) for label, table in document.get("labels", {}).items()},
        groups=_groups(document.get("groups", {})),
        sources=tuple(_parts(document.get("source", DEFAULT_SOURCES), "source")),
        sinks=tuple(_parts(document.get("sink", DEFAULT_SINKS), "sink")),
        **sections,
    )
    _check_together(config)
    return config


def _label(table: Any, label: str) -> LabelConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"labels.{label}: write it as [labels.{label}]")
    section = convert(table, LabelConfig, f"labels.{label}")
    if section.name is not None and not section.name.strip():
        raise ConfigError(f"labels.{label}.name: it is empty; write a name, or leave it out")
    if section.name == EVERYTHING:
        raise ConfigError(f"labels.{label}.name: a snooze of {EVERYTHING!r} is of everything; give it another name")
    return section


def _groups(table: dict[str, Any]) -> dict[str, list[str]]:
    if EVERYTHING in table:
        raise ConfigError(f"groups.{EVERYTHING}: a snooze of {EVERYTHING!r} is of everything; give it another name")
    try:
        return msgspec.convert(table, dict[str, list[str]])
    except msgspec.ValidationError as err:
        raise ConfigError(f"groups: a group is a list of labels, as pets = ['dog_bark'] ({err})") from err


def _parts(tables: Sequence[Any], what: Literal["source", "sink"]) -> Iterator[Part]:
    example = "microphone" if what == "source" else "socket"
    for number, table in enumerate(tables, 1):
        if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
            raise ConfigError(f"{what} {number}: a [[{what}]] needs a kind, as kind = {example!r}")
        yield part(what, table, f"{what} {number} ({table['kind']})")


def _when(table: Any, where: str) -> FilterConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: write it as a table, when = {{labels = ['alarm']}}")
    when = convert(table, FilterConfig, where)
    try:
        parse_hours(when.hours)
    except ConfigError as err:
        raise ConfigError(f"{where}.{err}") from err
    return when


def _check_together(config: Config) -> None:
    """Refuse what is right key by key and impossible together."""
    heard = [part.config.name for part in config.sources]
    twice = next((name for name in heard if heard.count(name) > 1), None)
    if twice:
        raise ConfigError(f"source.name: two sources are called {twice!r}; give each a name of its own")
    if EVERYTHING in heard:
        raise ConfigError(f"source.name: a snooze of {EVERYTHING!r} is of every source; give this one another name")
    made = [(f"source {n} ({part.kind})", part.factory(part.config)) for n, part in enumerate(config.sources, 1)]
    if conflict := next(requirements.conflicts([(name, source.requirements) for name, source in made]), None):
        raise conflict
    for number, sink in enumerate(config.sinks, 1):
        for name in sink.when.sources:
            if name not in heard:
                where = f"sink {number} ({sink.kind}).when.sources"
                raise ConfigError(f"{where}: there is no source {name!r}{nearest(name, heard)}")
    if not heard:
        raise ConfigError("source: there is none; write a [[source]], or leave them out for the default microphone")
    if config.clips.first_s > config.clips.hop_s:
        raise ConfigError(f"clips.first_s: {config.clips.first_s} is more than clips.hop_s, {config.clips.hop_s}")


def _rule(rule: LabelRule, section: LabelConfig, label: str) -> LabelRule:
    changes = {key: getattr(section, key) for key in rule.__struct_fields__ if getattr(section, key) is not None}
    changed = msgspec.structs.replace(rule, **changes)
    if changed.off >= changed.on:
        raise ConfigError(f"labels.{label}: off ({changed.off}) must be less than on ({changed.on})")
    return changed


def _default_lines() -> Iterator[str]:
    yield "# Every option of listener with its default. Remove the # from what you change."
    for name, section in SECTIONS.items():
        yield ""
        yield from render(section(), f"# {section.__doc__}\n[{name}]")
    yield ""
    yield from (f"# {line}" if line else "#" for line in render(LabelConfig(), "[labels.dog_bark]"))
    yield '\n# Groups of labels of your own; the model brings some.\n# [groups]\n# pets = ["dog_bark"]'
    for what, table in (("source", registry.SOURCES), ("sink", registry.SINKS)):
        for kind in table:
            factory = getattr(registry, what)(kind)
            yield ""
            yield from render(factory.Config(), f'# {factory.__doc__.splitlines()[0]}\n# [[{what}]]\n# kind = "{kind}"')
    yield ""
    yield from render(FilterConfig(), f"# {FilterConfig.__doc__} Of every sink.\n# [sink.when]")
