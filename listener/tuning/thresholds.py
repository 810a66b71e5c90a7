"""Thresholds that were changed while the daemon runs, written into the configuration that it reads."""

from collections.abc import Callable, Mapping
from pathlib import Path

from listener import config as configuration
from listener.errors import ConfigError, ListenerError
from listener.messages import Hello
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import LabelRule
from listener.tuning import rewrite
from listener.tuning.proposals import Proposal
from listener.tuning.save_result import SaveResult, Settings, as_reported

Place = Callable[[Hello], Path]  # the file of a daemon; ListenerError where it is not to be had from here


def save(place: Place, hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    """Have the file say them, and where it is; where that cannot be, what to write into it, and why."""
    settings = as_reported(thresholds)
    try:
        path = place(hello)
        settings = _settings(path, hello, thresholds)
        backup = rewrite.write(path, _proposals(settings)) if settings else None
    except ListenerError as err:
        return SaveResult(settings, why=str(err))
    return SaveResult(settings, path, backup, thresholds=dict(thresholds))


def _settings(path: Path, hello: Hello, thresholds: Mapping[str, float]) -> Settings:
    """What the file does not say yet, by the model's labels: its sections are called so, whatever is reported."""
    config = configuration.load(path if path.exists() else None)
    bundle = bundles.load(bundles.find(config.model.bundle))
    if bundle.name != hello.model:
        raise ConfigError(f"{path} is for model {bundle.name}, and the daemon runs {hello.model}")
    rules, names = configuration.rules(config, bundle), configuration.names(config)
    labels = {names.get(label, label): label for label in rules}
    for name in thresholds:
        if name not in labels:
            raise ConfigError(f"by {path} no label is reported as {name!r}; have the daemon reload it first")
    return {
        labels[name]: _section(rules[labels[name]], on)
        for name, on in thresholds.items()
        if rules[labels[name]].on != on
    }


def _section(rule: LabelRule, on: float) -> dict[str, float]:
    """The rule as it is in force now. Its `off` too: under a lower `on` the old one may be refused."""
    off = rule.retuned(on).off
    short = float(f"{off:.3g}")
    return {"on": on, "off": short if short < on else off}


def _proposals(settings: Settings) -> list[Proposal]:
    return [
        Proposal(("labels", label, key), value, value, "")
        for label, section in settings.items()
        for key, value in section.items()
    ]
