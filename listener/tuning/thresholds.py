"""Saves thresholds that were changed while the daemon runs in the configuration that it reads."""

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

Place = Callable[[Hello], Path]  # returns the file of a daemon, or raises ListenerError


def save(place: Place, hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    """Write thresholds into the daemon's configuration.

    Args:
        place: Returns the file.
        hello: The daemon.
        thresholds: Label as it is reported -> threshold.

    Returns:
        The file and what was written, or the reason why nothing was, with what the user should write.
    """
    settings = as_reported(thresholds)
    try:
        path = place(hello)
        settings = _settings(path, hello, thresholds)
        backup = rewrite.write(path, _proposals(settings)) if settings else None
    except ListenerError as err:
        return SaveResult(settings, why=str(err))
    return SaveResult(settings, path, backup, thresholds=dict(thresholds))


def _settings(path: Path, hello: Hello, thresholds: Mapping[str, float]) -> Settings:
    """Return the settings that the file lacks, by the model's labels, which name its sections."""
    config = configuration.load(path if path.exists() else None)
    bundle = bundles.load(bundles.find(config.model.bundle))
    if bundle.name != hello.model:
        raise ConfigError(
            f"{path} is for model {bundle.name}, but the daemon runs {hello.model}",
            code="save-other-model",
            remedy="Restart the daemon.",
        )
    rules, names = configuration.rules(config, bundle), configuration.names(config)
    labels = {names.get(label, label): label for label in rules}
    for name in thresholds:
        if name not in labels:
            raise ConfigError(
                f"in {path} no label is reported as {name!r}",
                code="save-label-unknown",
                remedy="Have the daemon reload it: listener reload",
            )
    return {
        labels[name]: _section(rules[labels[name]], on)
        for name, on in thresholds.items()
        if rules[labels[name]].on != on
    }


def _section(rule: LabelRule, on: float) -> dict[str, float]:
    """Return the rule as it is in force, with its `off`, because the old one may be too high for a lower `on`."""
    off = rule.retuned(on).off
    short = float(f"{off:.3g}")
    return {"on": on, "off": short if short < on else off}


def _proposals(settings: Settings) -> list[Proposal]:
    return [
        Proposal(("labels", label, key), value, value, "")
        for label, section in settings.items()
        for key, value in section.items()
    ]
