"""Folders and files of this machine. Environment variables are read in this module only."""

import os
from pathlib import Path

from listener.errors import ConfigError


def runtime_folder() -> Path:
    """Return the folder for the control socket: systemd's, else the user's, else one in /tmp."""
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable].split(":")[0])
    return Path(f"/tmp/listener-{os.getuid()}")


def state_folder() -> Path:
    """Return the folder for logs and databases: systemd's, else the user's.

    Raises:
        ConfigError: The user has no home.
    """
    if os.environ.get("STATE_DIRECTORY"):
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    return _in_home("XDG_STATE_HOME", ".local/state") / "listener"


def config_folder() -> Path:
    """Return the folder for this user's configurations, of any program.

    Raises:
        ConfigError: The user has no home.
    """
    return _in_home("XDG_CONFIG_HOME", ".config")


SYSTEM_SOCKET = Path("/run/listener/listener.sock")  # of a daemon that systemd runs for the machine


def of_system(path: str | os.PathLike[str]) -> Path:
    """Return a path of the system service, below LISTENER_ROOT if that is set (for images and tests)."""
    return Path(os.environ.get("LISTENER_ROOT", "/")) / Path(path).relative_to("/")


def sockets() -> list[Path]:
    """Return the sockets at which a client looks for a daemon: this user's, then the system's."""
    return list(dict.fromkeys([runtime_folder() / "listener.sock", of_system(SYSTEM_SOCKET)]))


def sound_servers() -> list[str]:
    """Return where a sound server that speaks PulseAudio's protocol may be, in the form of PULSE_SERVER."""
    named = os.environ.get("PULSE_SERVER", "").split()
    runtime = os.environ.get("PULSE_RUNTIME_PATH") or f"{os.environ.get('XDG_RUNTIME_DIR', '')}/pulse"
    usual = Path(runtime) / "native"
    return named or ([f"unix:{usual}"] if usual.is_absolute() and runtime != "/pulse" else [])


def under_journal() -> bool:
    """Tell whether stderr is connected to systemd's journal."""
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    # The variable is inherited, but stderr may have been redirected since (systemd.exec(5)).
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


def notify_socket() -> str | None:
    """Return the socket for systemd's notifications, if it expects any."""
    return os.environ.get("NOTIFY_SOCKET") or None


def credential(name: str) -> Path:
    """Return the path of a secret: a bare name is a systemd credential if systemd provides any."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = expanded(name)
    return Path(folder) / name if folder and path == Path(path.name) else path


def expanded(text: str | os.PathLike[str]) -> Path:
    """Return a path with `~` and `~user` replaced.

    Raises:
        ConfigError: There is no such user, or this user has no home.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise ConfigError(
            f"{text}: the home folder is unknown", code="home-unknown", remedy="Write the whole path."
        ) from err


def _in_home(variable: str, relative: str) -> Path:
    if os.environ.get(variable):
        return Path(os.environ[variable])
    try:
        return Path.home() / relative
    except RuntimeError as err:
        remedy = f"Set HOME or {variable}."
        raise ConfigError("this user has no home folder", code="home-unknown", remedy=remedy) from err
