"""`listener check`: is the configuration right, does the model run, and what would?"""

import argparse
from collections.abc import Iterator

from listener import config as configuration
from listener import service
from listener.classifier import Classifier
from listener.commands import _shared, _tables
from listener.commands._shared import Setup
from listener.errors import ConfigError
from listener.signals import Capture
from listener.wire import Hello


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    _shared.add_config_flags(parser)
    parser.add_argument("--defaults", action="store_true", help="print every option with its default, as config.toml")


def main(arguments: argparse.Namespace, capture: Capture) -> int:  # noqa: ARG001
    """Say what would run; ConfigError, with one line for each fault, where it would not."""
    if arguments.defaults:
        print(configuration.defaults(), end="")
        return 0
    setup = _shared.read(arguments)
    faults = configuration.strangers(setup.config, setup.bundle)
    if faults:
        raise ConfigError("\n".join(faults))
    classifier = Classifier(setup.bundle, setup.config.model.providers)
    with configuration.located(setup.config.path):
        _make_parts(setup, service.hello(setup.config, setup.bundle, classifier.provider))
    _print(setup, classifier.provider)
    return 0


def _make_parts(setup: Setup, hello: Hello) -> None:
    """Make every part and open none: what its section alone cannot tell to be wrong is found now."""
    for part in setup.config.sources:
        part.factory(part.config)
    for part in setup.config.sinks:
        part.factory(part.config, hello)


def _print(setup: Setup, provider: str) -> None:
    config, bundle = setup.config, setup.bundle
    print(f"configuration  {config.path or 'defaults'}")
    print(f"model          {bundle.name}, {len(bundle.labels)} labels, on {provider}; {bundle.manifest.licence}")
    for what, parts in (("source", config.sources), ("sink", config.sinks)):
        for part in parts:
            print(f"{what:<15}{part.kind} {getattr(part.config, 'name', '')}".rstrip())
    print(f"gate           {config.gate.kind}")
    _tables.show(("label", "reported as", "on", "off", "hold s", "at least s", "cool-down s", "repeat s"), _rows(setup))


def _rows(setup: Setup) -> Iterator[tuple[str, ...]]:
    names, rules = configuration.names(setup.config), configuration.rules(setup.config, setup.bundle)
    for label in setup.bundle.labels:
        rule = rules.get(label)
        numbers = (rule.on, rule.off, rule.hold_s, rule.min_s, rule.cooldown_s, rule.repeat_s) if rule else ()
        yield label, names.get(label, label) if rule else "never", *(f"{number:g}" for number in numbers)
