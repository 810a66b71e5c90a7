"""The systemd units of listener, for the program and the configuration of this machine."""

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

LOCAL = ("microphone", "stdin", "file", "console", "log", "socket", "history")  # need no network, except TCP sockets
CREDENTIALS = SYSTEM_FILE.parent  # where the system service finds secrets that are named without a path
EXAMPLE = "# LoadCredential=mqtt-password:{folder}/mqtt-password"
# What the system service cannot see (ProtectHome=, PrivateTmp=).
CLOSED = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
INSTALL = "python3 -m venv /opt/listener && /opt/listener/bin/pip install ."


def unit(
    manager: Manager, command: Sequence[str], *, network: bool = False, secrets: Sequence[str] = (), folder: Path
) -> str:
    """The text of a unit.

    Args:
        manager: Whose systemd runs it.
        command: The program and its arguments.
        network: Whether it may use the network.
        secrets: The names of the credentials to load.
        folder: Where the files of the credentials are.
    """
    template = Template((ASSETS / f"{manager}.service").read_text(encoding="utf-8"))
    loaded = [f"LoadCredential={name}:{folder / name}" for name in secrets]
    return template.substitute(
        command=" ".join(map(_quoted, command)),
        credentials="\n".join(loaded) or EXAMPLE.format(folder=folder),
        families="AF_UNIX AF_INET AF_INET6" if network else "AF_UNIX",
    )


def program() -> list[str]:
    """The command that starts this installation of listener."""
    script = Path(sys.executable).with_name("listener")
    return [str(script)] if script.is_file() else [sys.executable, "-P", "-m", "listener"]


def uses_network(parts: Sequence[Part]) -> bool:
    """Whether a source or sink needs the network. Programs of the user are assumed to."""
    return any(_uses_network(part) for part in parts)


def secrets(wanted: Sequence[Requirements]) -> list[str]:
    """The credentials that parts need: secrets that are named without a path."""
    names = (name for each in wanted for name in each.secrets.values())
    return [name for name in dict.fromkeys(names) if requirements.is_credential(name)]


def refuse_closed(config: Config, bundle: Path) -> None:
    """Check that the system service can run this program and read its configuration and model.

    Raises:
        ConfigError: It cannot.
    """
    for path in _program_files():
        _refuse(path, "run", "service-program", f"Install listener for all users, as with `{INSTALL}`; or use --user.")
    if config.path:
        _refuse(config.path, "read", "service-config", f"Put it at {SYSTEM_FILE}, mode 644.")
    _refuse(bundle, "read", "service-model", "Put the model in /etc/listener, and set model.bundle.")


def _refuse(path: Path, verb: str, code: str, remedy: str) -> None:
    if why := _closed(path):
        raise ConfigError(f"{path}: the system service cannot {verb} it: {why}", code=code, remedy=remedy)


def _uses_network(part: Part) -> bool:
    if part.kind == "socket":
        return bool(part.config.tcp)
    if part.kind == "command" and hasattr(part.config, "command"):  # the source: arecord needs no network, ffmpeg may
        return any("://" in argument for argument in part.config.command)
    return part.kind not in LOCAL


def _program_files() -> Iterator[Path]:
    """Paths that must be readable to run this program: the interpreter, its library, and this package."""
    yield Path(sys.executable)
    yield Path(sys.executable).resolve()
    yield Path(os.__file__).parent
    yield Path(__file__).parents[1]


def _closed(path: Path) -> str:
    """Why another user's service cannot read a path; empty if it can."""
    hidden = next((folder for folder in CLOSED if path.is_relative_to(folder)), None)
    if hidden:
        return f"{hidden} is hidden from it"
    folder = next((folder for folder in reversed(path.absolute().parents) if not folder.stat().st_mode & 0o001), None)
    if folder:
        return f"{folder} is closed to other users"
    return "" if path.stat().st_mode & 0o004 else "other users may not read it"


def _quoted(argument: str) -> str:
    """An argument, quoted for ExecStart= (systemd.service(5), systemd.unit(5))."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(letter in escaped for letter in " \t;'\\\"") else escaped
