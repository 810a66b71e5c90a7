"""Rules, names and groups of labels: the configuration applied to a bundle."""

from collections.abc import Iterator

from listener.base.schema import Errors, Place, changed, suggestion
from listener.config.reading import located
from listener.config.sections import Config
from listener.errors import ConfigError, ConfigErrors
from listener.pipeline.bundle import Bundle, LabelRule
from listener.pipeline.loudness import LOUD
from listener.pipeline.tracker import LabelConfig


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
    mentioned += [(place / "labels", label, tuple(reported)) for place, when in config.filters for label in when.labels]
    for place, label, known in mentioned:
        if label not in known:
            remedy = "Set loud.enabled = true for it." if label == LOUD else suggestion(label, known)
            yield place.error(f"model {bundle.name} has no label {label!r}", "label-unknown", remedy)


def _absent_sources(config: Config) -> Iterator[ConfigError]:
    """Yield errors for sources that were added by a reload, which exchanges sinks but not sources."""
    present = [part.config.name for part in config.sources]
    for place, when in config.filters:
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
