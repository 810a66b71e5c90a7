"""Where thresholds are kept on request: in the file that the daemon reads, if that is certain."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from listener import config as configuration
from listener.client import Client
from listener.errors import ConfigError
from listener.messages import Hello
from listener.tuning.save_result import Keep, SaveResult


def by_daemon() -> Keep:
    """For the daemon's own display."""
    return partial(_kept, None)


def by_client(client: Client) -> Keep:
    """For the display of who has come by the socket."""
    return partial(_kept, client)


def _kept(client: Client | None, hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    from listener.tuning.thresholds import save  # tomlkit and more, which nobody pays for who does not ask

    return save(_own if client is None else partial(_of_daemon, client), hello, thresholds)


def _of_daemon(client: Client, hello: Hello) -> Path:
    """The file of a daemon that runs beside us. Of one elsewhere, the same path may lead to another file here."""
    process, user = client.daemon()
    if process != hello.pid:
        raise ConfigError("the daemon is on another machine or in a container, and its configuration is there")
    if not hello.config and user != os.getuid():
        raise ConfigError(f"the daemon is another user's and reads no file yet; make {configuration.OF_THE_MACHINE}")
    return _own(hello)


def _own(hello: Hello) -> Path:
    """The file that was read; else the one that would be next time."""
    if not hello.config:
        return configuration.find() or configuration.of_user()
    path = Path(hello.config)
    try:
        is_there = path.is_file()
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror}); as its owner? Try sudo") from err
    if not is_there:
        raise ConfigError(f"{path}, which the daemon has read, is no file here")
    return path
