"""Options that several commands have, and the completion of names. This module is light: every command imports it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from listener.base import credentials
from listener.client import Client
from listener.errors import ListenerError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, readable=False)  # opening it reports why it cannot be read
WORD = re.compile(r"[\w.:-]+")  # a shell might expand anything else


class Name(click.ParamType[str]):
    """A name that completion can offer: `label`, `group`, `source` of this configuration, or a `device`."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.name = "|".join(kinds)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Take the name as it is: the daemon or the model knows which there are."""
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Offer the names that the configuration on the command line has."""
        try:
            names = self._names(ctx)
        except (ListenerError, OSError):  # completion has nowhere to say so
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete) and WORD.fullmatch(name)]

    def _names(self, ctx: click.Context) -> list[str]:
        if self.kinds == ("device",):
            from listener.sources.devices import inputs

            return [device.identity or device.name for device in inputs(timeout_s=2.0)]
        from listener import config as configuration
        from listener.cli import common

        setup = common.read(ctx.params.get("config"), ctx.params.get("overrides") or ())
        known = {
            "label": configuration.event_labels(setup.config, setup.bundle),
            "group": list(configuration.groups(setup.config, setup.bundle)),
            "source": [part.config.name for part in setup.config.sources],
            "all": ["all"],
        }
        return list(
            dict.fromkeys(name for kind in self.kinds for name in known[kind])
        )  # a group may have a label's name


def config_file(command: Decorated) -> Decorated:
    """Add --config."""
    return click.option(
        "--config", type=FILE, metavar="FILE", help="Default: ~/.config/listener/config.toml, then /etc."
    )(command)


def config(command: Decorated) -> Decorated:
    """Add --config and --set (`overrides`)."""
    add_set = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, as gate.kind=bands."
    )
    return config_file(add_set(command))


def connect(command: Decorated) -> Decorated:
    """Add --connect and --token-file."""
    add_token = click.option(
        "--token-file", default="", metavar="FILE", help="The token that a daemon on TCP asks for."
    )
    add_address = click.option(
        "--connect", metavar="ADDRESS", help="unix:PATH or tcp:HOST:PORT. Default: the daemon of this machine."
    )
    return add_address(add_token(command))


def device(command: Decorated) -> Decorated:
    """Add --device."""
    return click.option(
        "--device",
        type=Name("device"),
        metavar="D",
        help="Identity, name, a unique part of it, or index; see `listener devices`.",
    )(command)


def client(connect: str | None, token_file: str) -> Client:
    """Make a client of the daemon that the options name.

    Raises:
        ConfigError: The address is invalid, or the token cannot be read.
    """
    return Client(connect, credentials.token("--token-file", token_file).decode())
