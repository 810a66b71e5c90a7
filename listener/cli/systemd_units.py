"""The units that systemd runs listener by, written for the program and the configuration that are here."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Literal

from listener.base import requirements
from listener.base.requirements import Requirements
from listener.config import SYSTEM_FILE, Config, Part
from listener.errors import ConfigError
from listener.pipeline.bundle import ASSETS

Manager = Literal["system", "user"]

LOCAL = ("microphone", "stdin", "file", "console", "log", "socket", "history")  # without the network, but for its TCP
CREDENTIALS = SYSTEM_FILE.parent  # where a secret that is named by a bare name lies for the system service
EXAMPLE = "# LoadCredential=mqtt-password:{folder}/mqtt-password"
# Where the system service sees nothing (ProtectHome=), or a folder of its own (PrivateTmp=).
CLOSED = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
ELSEWHERE = "python3 -m venv /opt/listener && /opt/listener/bin/pip install ."


def unit(
    manager: Manager, command: Sequence[str], *, network: bool = False, secrets: Sequence[str] = (), folder: Path
) -> str:
    """The text of a unit. `secrets` are the names of credentials, which lie in `folder`."""
    template = Template((ASSETS / f"{manager}.service").read_text(encoding="utf-8"))
    loaded = [f"LoadCredential={name}:{folder / name}" for name in secrets]
    return template.substitute(
        command=" ".join(map(_quoted, command)),
        credentials="\n".join(loaded) or EXAMPLE.format(folder=folder),
        families="AF_UNIX AF_INET AF_INET6" if network else "AF_UNIX",
    )


def program() -> list[str]:
    """The command that starts this very listener."""
    script = Path(sys.executable).with_name("listener")
    return [str(script)] if script.is_file() else [sys.executable, "-P", "-m", "listener"]


def uses_network(parts: Sequence[Part]) -> bool:
    """Whether a source or sink needs more than Unix sockets; of a program of the user's it is taken for granted."""
    return any(_uses_network(part) for part in parts)


def secrets(wanted: Sequence[Requirements]) -> list[str]:
    """The credentials that parts read: secrets that are named by a bare name."""
    names = (name for each in wanted for name in each.secrets.values())
    return [name for name in dict.fromkeys(names) if requirements.is_credential(name)]


def refuse_closed(config: Config, bundle: Path) -> None:
    """ConfigError, with the remedy, where the system service could not run this program or read its configuration."""
    for path in _run_by():
        if why := _closed(path):
            raise ConfigError(
                f"{path}: the system service cannot run it: {why}; install listener for all, as with "
                f"`{ELSEWHERE}`, and call that one; or use --user"
            )
    if config.path and (why := _closed(config.path)):
        raise ConfigError(f"{config.path}: the system service cannot read it: {why}; put it at {SYSTEM_FILE}, mode 644")
    if why := _closed(bundle):
        raise ConfigError(f"model.bundle: {bundle}: the system service cannot read it: {why}; put it in /etc/listener")


def _uses_network(part: Part) -> bool:
    if part.kind == "socket":
        return bool(part.config.tcp)
    if part.kind == "command" and hasattr(part.config, "command"):  # the source; arecord needs none, ffmpeg may
        return any("://" in argument for argument in part.config.command)
    return part.kind not in LOCAL


def _run_by() -> Iterator[Path]:
    """What must be readable for this program to run: interpreter, its library, and our own package."""
    yield Path(sys.executable)
    yield Path(sys.executable).resolve()
    yield Path(os.__file__).parent
    yield Path(__file__).parents[1]


def _closed(path: Path) -> str:
    """Why a service with a user of its own does not get at a path; empty where it does."""
    hidden = next((folder for folder in CLOSED if path.is_relative_to(folder)), None)
    if hidden:
        return f"{hidden} is hidden from it"
    folder = next((folder for folder in reversed(path.absolute().parents) if not folder.stat().st_mode & 0o001), None)
    if folder:
        return f"{folder} is closed to other users"
    return "" if path.stat().st_mode & 0o004 else "other users may not read it"


def _quoted(argument: str) -> str:
    """An argument as ExecStart= takes it (systemd.service(5), systemd.unit(5))."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(letter in escaped for letter in " \t;'\\\"") else escaped
