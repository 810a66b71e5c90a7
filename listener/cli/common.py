"""Reading the configuration and the model that it names."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listener import config as configuration
from listener.config import Config
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration and the bundle that it names, both read and checked."""

    config: Config
    bundle: Bundle


def read(path: Path | None, overrides: Sequence[str] = (), tables: dict[str, Any] | None = None) -> Setup:
    """Read the configuration and its model.

    Args:
        path: The file; None for the usual one.
        overrides: Settings as `--set` writes them.
        tables: Tables that replace those of the file.

    Raises:
        ConfigError: The configuration is wrong, or does not fit the model.
        BundleError: The model cannot be used.
    """
    config = configuration.load(path or configuration.find(), overrides, tables)
    bundle = bundles.load(bundles.find(config.model.bundle))
    with configuration.located(config.path):
        configuration.rules(config, bundle)  # finds what only both together show to be wrong
    return Setup(config, bundle)


def source_table(kind: str | None, **settings: Any) -> dict[str, Any]:
    """The one source that options describe, as the tables that it would have in the file; empty if they name none."""
    given = {key: value for key, value in settings.items() if value is not None}
    if not given and not kind:
        return {}
    return {"source": [{"kind": kind or ("file" if "path" in given else "microphone"), **given}]}


def silence() -> None:
    """Keep the log off the terminal: the command prints its own account of the same."""
    logging.getLogger("listener").addHandler(logging.NullHandler())
