"""What several commands need: the configuration as flags say it, and a model that is ready to run."""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listener import config as configuration
from listener.base import credentials
from listener.client import Client
from listener.config import Config
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle

SOURCE_FLAGS = ("device", "rate", "channels", "format", "path", "backend")


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration and the bundle it names, both read and checked."""

    config: Config
    bundle: Bundle


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """--config and --set."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="default: ~/.config/listener/config.toml, then /etc"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting, as gate.kind=bands"
    )


def read(arguments: argparse.Namespace, tables: dict[str, Any] | None = None) -> Setup:
    """What the flags ask for. ConfigError or BundleError where it cannot be had."""
    config = configuration.load(arguments.config or configuration.find(), arguments.set, tables)
    bundle = bundles.load(bundles.find(config.model.bundle))
    with configuration.located(config.path):
        configuration.rules(config, bundle)  # refuses what only both together can tell to be wrong
    return Setup(config, bundle)


def source_table(arguments: argparse.Namespace) -> dict[str, Any]:
    """The one source that the flags describe, as the table it would be in the file. No command has all of them."""
    given = {flag: value for flag in SOURCE_FLAGS if (value := getattr(arguments, flag, None)) is not None}
    if not given and not arguments.source:
        return {}
    return {"source": [{"kind": arguments.source or ("file" if arguments.path else "microphone"), **given}]}


def add_connect_flags(parser: argparse.ArgumentParser) -> None:
    """--connect and --token-file."""
    parser.add_argument("--connect", metavar="ADDRESS", help="unix:PATH or tcp:HOST:PORT; default: this machine's")
    parser.add_argument("--token-file", default="", metavar="FILE", help="what a daemon on TCP asks for, if it does")


def client(arguments: argparse.Namespace) -> Client:
    """Of the daemon that those flags name. ConfigError where the token cannot be read."""
    return Client(arguments.connect, credentials.token("--token-file", arguments.token_file).decode())


def silence() -> None:
    """Keep the log off the terminal: what the command prints says the same, in its place."""
    logging.getLogger("listener").addHandler(logging.NullHandler())
