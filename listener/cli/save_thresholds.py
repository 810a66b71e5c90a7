"""Where `w` in the display saves thresholds: in the file that the daemon reads, if that is certain."""

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
    return partial(_save, None)


def by_client(client: Client) -> Keep:
    """For a display that is connected to the daemon."""
    return partial(_save, client)


def _save(client: Client | None, hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    from listener.tuning.thresholds import save  # loads tomlkit, which few runs need

    return save(_own if client is None else partial(_of_daemon, client), hello, thresholds)


def _of_daemon(client: Client, hello: Hello) -> Path:
    """The file of a daemon beside us. In another container or on another machine the same path is another file."""
    process, user = client.daemon()
    if process != hello.pid:
        raise ConfigError(
            "the daemon runs on another machine or in a container",
            code="save-elsewhere",
            remedy="Change the configuration there.",
        )
    if user != os.getuid() and hello.config != str(configuration.SYSTEM_FILE):  # it could name any file
        raise ConfigError(
            "the daemon belongs to another user",
            code="save-other-user",
            remedy=f"Save as that user, or have it read {configuration.SYSTEM_FILE}.",
        )
    return _own(hello)


def _own(hello: Hello) -> Path:
    """The file that was read, or else the one that would be read next time."""
    if not hello.config:
        return configuration.find() or configuration.user_file()
    path = Path(hello.config)
    try:
        is_there = path.is_file()
    except OSError as err:
        raise ConfigError(
            f"{path}: cannot be read ({err.strerror})", code="save-read", remedy="Run it as the owner of that file."
        ) from err
    if not is_there:
        raise ConfigError(f"{path}, which the daemon has read, is not a file here", code="save-missing")
    return path
