"""The whole chain, from microphone to sinks. Whoever shows findings calls `walk`."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from listener import config as configuration
from listener.config import Config
from listener.doctor import audio, model, service, sinks, sources
from listener.doctor.ambient import SETTLING_S
from listener.doctor.finding import Check, Finding, Lane, Severity, examine, from_error
from listener.errors import ConfigError

LISTEN_S = 10.0


def walk(path: Path | None, overrides: Sequence[str] = (), listen_s: float = LISTEN_S) -> Iterator[Finding]:
    """What is found, in the order of the chain. A configuration that is wrong is a finding; the rest is then as if
    there were none.
    """
    config, finding = read(path, overrides)
    yield finding
    yield from examine(lanes(config, listen_s))


def read(path: Path | None, overrides: Sequence[str] = ()) -> tuple[Config, Finding]:
    """The configuration, or the defaults where it is wrong; and what there is to say of it."""
    try:
        config = configuration.load(path or configuration.find(), overrides)
    except ConfigError as err:
        return configuration.load(None), from_error("configuration", err)
    parts = f"sources: {', '.join(_kinds(config, 'sources'))}; sinks: {', '.join(_kinds(config, 'sinks'))}"
    return config, Finding("configuration", Severity.OK, f"{config.path or 'none, so the defaults'}; {parts}")


def lanes(config: Config, listen_s: float = LISTEN_S) -> list[Lane]:
    """All checks. Those of one lane would disturb each other: a device is opened by one at a time."""
    limit_s = listen_s + SETTLING_S + sources.PATIENCE_S + 2  # each source has a little less
    return [
        [
            Check("libraries", partial(audio.libraries, config)),
            Check("permissions", audio.permissions),
            Check("devices", partial(audio.inputs, config), audio.LISTING_S + 1),
            Check("hearing", partial(sources.sources, config, listen_s), limit_s),
        ],
        [Check("model", partial(model.model, config), 20.0)],
        *sinks.lanes(config),
        [Check("daemon", partial(service.daemon, config)), Check("service", service.units, 12.0)],
    ]


def _kinds(config: Config, what: str) -> list[str]:
    return [part.kind for part in getattr(config, what)] or ["none"]
