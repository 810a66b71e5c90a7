"""All checks in the order in which sound travels, from configuration and microphone to the sinks."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from listener import config as configuration
from listener.config import Config
from listener.doctor import audio, model, service, sinks, sources
from listener.doctor.ambient import SETTLING_S
from listener.doctor.finding import Check, Finding, Lane, Severity, from_error, run_checks
from listener.errors import ConfigError

LISTEN_S = 10.0


def walk(path: Path | None, overrides: Sequence[str] = (), listen_s: float = LISTEN_S) -> Iterator[Finding]:
    """Run all checks. If the configuration is wrong, that is a finding, and the defaults are checked instead.

    Args:
        path: The configuration file; None for the usual one.
        overrides: Settings as `--set` takes them.
        listen_s: How long to listen to each source, in seconds.
    """
    config, finding = read(path, overrides)
    yield finding
    yield from run_checks(lanes(config, listen_s))


def read(path: Path | None, overrides: Sequence[str] = ()) -> tuple[Config, Finding]:
    """Return the configuration, or the defaults if it is wrong, and the finding about it."""
    try:
        config = configuration.load(path or configuration.find(), overrides)
    except ConfigError as err:
        return configuration.load(None), from_error("configuration", err)
    kinds = f"sources: {_kinds(config, 'sources')}; sinks: {_kinds(config, 'sinks')}"
    text = f"{config.path or 'no file, so the defaults are used'}; {kinds}"
    return config, Finding("configuration", Severity.OK, "configuration-read", text)


def lanes(config: Config, listen_s: float = LISTEN_S) -> list[Lane]:
    """Return all checks. The audio checks share a lane, because a device can be opened only once at a time."""
    limit_s = listen_s + SETTLING_S + sources.FIRST_AUDIO_S + 2  # longer than the limit of each source
    return [
        [
            Check("libraries", partial(audio.libraries, config)),
            Check("permissions", audio.permissions),
            Check("devices", partial(audio.inputs, config), audio.LISTING_S + 1),
            Check("sources", partial(sources.sources, config, listen_s), limit_s),
        ],
        [Check("model", partial(model.model, config), 20.0)],
        *sinks.lanes(config),
        [Check("daemon", partial(service.daemon, config)), Check("service", service.units, 12.0)],
    ]


def _kinds(config: Config, what: str) -> str:
    return ", ".join(part.kind for part in getattr(config, what)) or "none"
