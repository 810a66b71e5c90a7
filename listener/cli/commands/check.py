"""`listener check`: check the configuration and the model, and print what would run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from listener import config as configuration
from listener.base import requirements
from listener.base.schema import Errors, Place
from listener.cli import common, options, tables
from listener.cli.common import Setup
from listener.daemon import service
from listener.errors import ConfigError
from listener.pipeline.classifier import Classifier
from listener.sources.base import BaseSource


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
    errors = Errors(configuration.mismatches(setup.config, setup.bundle))
    with errors.collected(), configuration.located(setup.config.path):
        Errors(list(_part_errors(setup, classifier.provider))).raise_any()
    errors.raise_any()
    _print(setup, classifier.provider)
    return 0


def _part_errors(setup: Setup, provider: str) -> Iterator[ConfigError]:
    """Create every source and sink, open none, and yield what they require and this machine or the model lacks."""
    config, bundle, errors = setup.config, setup.bundle, Errors()
    known = [*configuration.event_labels(config, bundle), *configuration.groups(config, bundle)]
    hello = service.hello(config, bundle, provider)
    required = []
    sources = [(Place(("source", n), f"source {n + 1} ({part.kind})"), part) for n, part in enumerate(config.sources)]
    for parts, more in ((sources, ()), (config.outputs, (hello,))):
        for place, part in parts:
            with errors.collected(), place.named():
                made = part.factory(part.config, *more)
                wanted = made.requirements
                required.append((place.words, wanted))
                problems = made.problems() if isinstance(made, BaseSource) else ()
                for error in (*requirements.missing(wanted), *requirements.unknown_labels(wanted, known), *problems):
                    errors.found.append(place.error(error.message, error.code, error.remedy))
    yield from (*errors.found, *requirements.conflicts(required))


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
    for problem in configuration.deprecations(config):
        print(f"note           {problem}")
    if not any(part.kind == configuration.SOCKET for _, part in config.outputs):
        print("note           [daemon] socket is off: tail, watch, status, snooze and the page do not find this daemon")
    tables.show(("label", "reported as", "on", "off", "hold s", "at least s", "cool-down s", "repeat s"), _rows(setup))


def _rows(setup: Setup) -> Iterator[tuple[str, ...]]:
    names, rules = configuration.names(setup.config), configuration.rules(setup.config, setup.bundle)
    for label in setup.bundle.labels:
        rule = rules.get(label)
        numbers = (rule.on, rule.off, rule.hold_s, rule.min_s, rule.cooldown_s, rule.repeat_s) if rule else ()
        yield label, names.get(label, label) if rule else "never", *(f"{number:g}" for number in numbers)
