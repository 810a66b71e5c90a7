"""`listener check`: check the configuration and the model, and print what would run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from listener import config as configuration
from listener.base import requirements
from listener.base.requirements import Requirements
from listener.cli import common, options, tables
from listener.cli.common import Setup
from listener.daemon import service
from listener.errors import ConfigError
from listener.messages import Hello
from listener.pipeline.classifier import Classifier


@click.command()
@options.config
@click.option("--defaults", is_flag=True, help="Print every option with its default, as a config.toml.")
def command(config: Path | None, overrides: Sequence[str], defaults: bool) -> int:
    """Check the configuration and the model, and print what would run."""
    if defaults:
        print(configuration.defaults(), end="")
        return 0
    common.silence()
    setup = common.read(config, overrides)
    classifier = Classifier(setup.bundle, setup.config.model.providers)
    with configuration.located(setup.config.path):
        parts = _parts(setup, service.hello(setup.config, setup.bundle, classifier.provider))
    faults = [*configuration.strangers(setup.config, setup.bundle), *_faults(setup, parts)]
    if faults:
        raise ConfigError("\n".join(map(str, faults)), code="config-faults")
    _print(setup, classifier.provider)
    return 0


def _parts(setup: Setup, hello: Hello) -> list[tuple[str, Requirements]]:
    """The requirements of every source and sink. Each is made, which finds more faults, but none is opened."""
    sources, sinks = enumerate(setup.config.sources, 1), enumerate(setup.config.sinks, 1)
    return [
        *((f"source {number} ({part.kind})", part.factory(part.config).requirements) for number, part in sources),
        *(
            (f"sink {number} ({part.kind})", requirements.of(part.factory(part.config, hello)))
            for number, part in sinks
        ),
    ]


def _faults(setup: Setup, parts: Sequence[tuple[str, Requirements]]) -> Iterator[str]:
    """Requirements that this machine or the model does not meet, and those that two parts claim for themselves."""
    config, bundle = setup.config, setup.bundle
    known = [*configuration.event_labels(config, bundle), *configuration.groups(config, bundle)]
    where = f"{config.path}: " if config.path else ""
    for name, wants in parts:
        for fault in (*requirements.missing(wants), *requirements.unknown_labels(wants, known)):
            yield f"{where}{name}: {fault}"
    yield from (f"{where}{clash}" for clash in requirements.conflicts(parts))


def _print(setup: Setup, provider: str) -> None:
    config, bundle = setup.config, setup.bundle
    print(f"configuration  {config.path or 'defaults'}")
    print(f"model          {bundle.name}, {len(bundle.labels)} labels, on {provider}; {bundle.manifest.licence}")
    for what, parts in (("source", config.sources), ("sink", config.sinks)):
        for part in parts:
            print(f"{what:<15}{part.kind} {getattr(part.config, 'name', '')}".rstrip())
    print(f"gate           {config.gate.kind}")
    for group, labels in configuration.groups(config, bundle).items():
        print(f"group          {group}: {', '.join(labels)}")
    if all(part.kind != "socket" for part in config.sinks):
        print("note           no sink is a socket: tail, watch, status, snooze and the page do not find this daemon")
    tables.show(("label", "reported as", "on", "off", "hold s", "at least s", "cool-down s", "repeat s"), _rows(setup))


def _rows(setup: Setup) -> Iterator[tuple[str, ...]]:
    names, rules = configuration.names(setup.config), configuration.rules(setup.config, setup.bundle)
    for label in setup.bundle.labels:
        rule = rules.get(label)
        numbers = (rule.on, rule.off, rule.hold_s, rule.min_s, rule.cooldown_s, rule.repeat_s) if rule else ()
        yield label, names.get(label, label) if rule else "never", *(f"{number:g}" for number in numbers)
