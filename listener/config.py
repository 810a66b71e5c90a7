"""The configuration: TOML read into frozen structs. Every default is in the section of the part that it belongs to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from listener.base import paths, registry, requirements
from listener.base.schema import Errors, Meta, Place, Section, changed, convert, render, suggestion
from listener.base.textfile import read_text
from listener.base.toml_file import line_of, read_toml, toml_value
from listener.errors import ConfigError, ConfigErrors
from listener.pipeline.bundle import Bundle, LabelRule
from listener.pipeline.clipper import ClipConfig
from listener.pipeline.gates import GateConfig
from listener.pipeline.loudness import LOUD, LoudConfig
from listener.pipeline.tracker import EventConfig, LabelConfig
from listener.routing.controls import EVERYTHING
from listener.routing.filters import FilterConfig, parse_hours

SYSTEM_FILE = Path("/etc/listener/config.toml")


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
    socket: Annotated[
        bool | str,
        Meta(
            description="the control socket, which tail, watch, status, snooze and the page use: true, its path, or "
            "false for none"
        ),
    ] = True
    tcp: Annotated[
        str,
        Meta(
            description="also serve it on TCP, as 127.0.0.1:8790; any other address than loopback needs token_file; "
            "port 0: any; empty: no"
        ),
    ] = ""
    token_file: Annotated[
        str, Meta(description="file with the token that clients on TCP must send; or a systemd credential")
    ] = ""
    stall_s: Annotated[
        float, Meta(ge=0.05, le=86_400, description="disconnect a client that reads nothing for this long")
    ] = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """A source or sink as configured: its class, of which no object exists yet, and its section."""

    kind: str
    factory: Any
    config: Any
    when: FilterConfig = field(default_factory=FilterConfig)  # of a sink


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration."""

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

    @property
    def outputs(self) -> list[tuple[Place, Part]]:
        """The sinks, and the control socket unless it is switched off, each with its place in the file."""
        found = [(Place(("sink", n), f"sink {n + 1} ({part.kind})"), part) for n, part in enumerate(self.sinks)]
        daemon = self.daemon
        if daemon.socket and all(part.kind != SOCKET for part in self.sinks):
            factory = registry.sink(SOCKET)
            path = daemon.socket if isinstance(daemon.socket, str) else ""
            section = factory.Config(path=path, tcp=daemon.tcp, token_file=daemon.token_file, stall_s=daemon.stall_s)
            found.append((Place(("daemon", "socket"), "daemon.socket"), Part(SOCKET, factory, section)))
        return found


SECTIONS: dict[str, type[Section]] = {
    "daemon": DaemonConfig,
    "model": ModelConfig,
    "gate": GateConfig,
    "clips": ClipConfig,
    "events": EventConfig,
    "loud": LoudConfig,
}
SOCKET_REMEDY = "Remove the section; set socket, tcp and token_file in [daemon] if you need them."
TABLES = (*SECTIONS, "labels", "groups", "source", "sink")
DEFAULT_SOURCES = ({"kind": "microphone"},)
DEFAULT_SINKS = ({"kind": "console"},)
SOCKET = "socket"  # was a kind of sink; such a section is still understood


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


def defaults() -> str:
    """Return config.toml: every option with its default, commented out."""
    return "\n".join(_default_lines()) + "\n"


def rules(config: Config, bundle: Bundle) -> dict[str, LabelRule]:
    """Return the rule of every label that is reported: the bundle's, with the changes of the configuration.

    Raises:
        ConfigError: Two labels have one name, or a rule is impossible.
    """
    errors = Errors()
    found: dict[str, LabelRule] = {}
    called: dict[str, str] = {LOUD: LOUD} if config.loud.enabled else {}
    for label in bundle.labels:
        section = config.labels.get(label, LabelConfig())
        if section.enabled if section.enabled is not None else bundle.reported(label):
            with errors.collected():
                _check_name(section.name or label, label, called)
                found[label] = _rule(
                    bundle.rule(label, section.sensitivity or config.events.sensitivity), section, label
                )
    errors.raise_any()
    return found


def names(config: Config) -> dict[str, str]:
    """Return the names under which labels are reported, for labels that the configuration gives another name."""
    return {label: section.name for label, section in config.labels.items() if section.name}


def event_labels(config: Config, bundle: Bundle) -> list[str]:
    """Return the names that events can have: those of reported labels, and `loud` if that is enabled."""
    called = [names(config).get(label, label) for label in rules(config, bundle)]
    return [*called, LOUD] if config.loud.enabled else called


def groups(config: Config, bundle: Bundle) -> dict[str, list[str]]:
    """Return the bundle's groups and the configuration's, which win, with labels under their reported names."""
    called = names(config)
    return {
        group: [called.get(label, label) for label in labels]
        for group, labels in (bundle.groups | config.groups).items()
    }


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


def mismatches(config: Config, bundle: Bundle) -> list[ConfigError]:
    """Find names in the configuration that do not fit the bundle or each other.

    They are warnings for `run`, because an update of the model must not stop a service, and errors for `check`.

    Returns:
        One error for each label that the bundle lacks, each source with the name of a label or group, which no snooze
        could tell apart, and each source in a filter that only a restart will add.
    """
    errors = Errors()
    with errors.collected(), located(config.path):
        Errors([*_unknown_labels(config, bundle), *_shared_names(config, bundle), *_absent_sources(config)]).raise_any()
    return [each for err in errors.found for each in (err.errors if isinstance(err, ConfigErrors) else [err])]


def _unknown_labels(config: Config, bundle: Bundle) -> Iterator[ConfigError]:
    loud = [LOUD] if config.loud.enabled else []
    reported = [*(names(config).get(label, label) for label in bundle.labels), *loud, *groups(config, bundle)]
    mentioned = [(Place(("labels", label), f"labels.{label}"), label, bundle.labels) for label in config.labels]
    mentioned += [
        (Place(("groups", group), f"groups.{group}"), label, (*bundle.labels, *loud))
        for group, labels in config.groups.items()
        for label in labels
    ]
    mentioned += [
        (place / "labels", label, tuple(reported)) for place, when in _filters(config) for label in when.labels
    ]
    for place, label, known in mentioned:
        if label not in known:
            remedy = "Set loud.enabled = true for it." if label == LOUD else suggestion(label, known)
            yield place.error(f"model {bundle.name} has no label {label!r}", "label-unknown", remedy)


def _absent_sources(config: Config) -> Iterator[ConfigError]:
    """Yield errors for sources that were added by a reload, which exchanges sinks but not sources."""
    present = [part.config.name for part in config.sources]
    for place, when in _filters(config):
        for name in when.sources:
            if name not in present:
                remedy = "Restart listener to add the source."
                yield (place / "sources").error(f"source {name!r} is not running", "source-not-running", remedy)


def _shared_names(config: Config, bundle: Bundle) -> Iterator[ConfigError]:
    taken = (*event_labels(config, bundle), *groups(config, bundle))
    for number, part in enumerate(config.sources):
        if part.config.name in taken:
            problem = f"{part.config.name!r} is also a label or group, and a snooze would silence both"
            yield Place(("source", number, "name"), "source.name").error(problem, "name-shared", "Rename the source.")


def _filters(config: Config) -> Iterator[tuple[Place, FilterConfig]]:
    for number, sink in enumerate(config.sinks):
        yield Place(("sink", number, "when"), f"sink {number + 1} ({sink.kind}).when"), sink.when


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
    for place, when in _filters(config):
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


def _check_name(name: str, label: str, called: dict[str, str]) -> None:
    """Refuse a second label of one name. `called`: the label of each name so far."""
    other = called.setdefault(name, label)
    if other != label or (label == LOUD == name):
        renamed, other = (label, other) if name != label else (other, label)
        place = Place(("labels", renamed), f"labels.{renamed}") / "name"
        raise place.error(f"{other} is reported as {name!r}, too", "name-duplicate", "Write another name.")


def _rule(rule: LabelRule, section: LabelConfig, label: str) -> LabelRule:
    place = Place(("labels", label), f"labels.{label}")
    fields = {key: getattr(section, key) for key in rule.__struct_fields__ if getattr(section, key) is not None}
    combined = changed(rule, **fields)
    if combined.off >= combined.on:
        problem = f"off ({combined.off:g}) is not less than on ({combined.on:g})"
        raise place.error(problem, "threshold-order", "Lower off, or raise on.")
    return combined


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
