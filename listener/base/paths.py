"""Where things live on this machine: what the environment says of it is asked here, and nowhere else."""

import os
from pathlib import Path

from listener.errors import ConfigError


def runtime_folder() -> Path:
    """For the socket: systemd's RUNTIME_DIRECTORY, else the user's runtime folder, else one in /tmp of our own."""
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable].split(":")[0])
    return Path(f"/tmp/listener-{os.getuid()}")


def state_folder() -> Path:
    """For logs: systemd's STATE_DIRECTORY, else the user's state folder."""
    if os.environ.get("STATE_DIRECTORY"):
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "listener"


def config_folder() -> Path:
    """For configurations of this user's, of any program."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


SYSTEM_SOCKET = Path("/run/listener/listener.sock")  # of a daemon that systemd runs for the machine


def sockets() -> list[Path]:
    """Where a client looks for a daemon, the likeliest first: this user's, then the system's."""
    return list(dict.fromkeys([runtime_folder() / "listener.sock", SYSTEM_SOCKET]))


def sound_servers() -> list[str]:
    """Where a sound server of PulseAudio's protocol is looked for, as PULSE_SERVER writes it; the first is taken."""
    named = os.environ.get("PULSE_SERVER", "").split()
    runtime = os.environ.get("PULSE_RUNTIME_PATH") or f"{os.environ.get('XDG_RUNTIME_DIR', '')}/pulse"
    usual = Path(runtime) / "native"
    return named or ([f"unix:{usual}"] if usual.is_absolute() and runtime != "/pulse" else [])


def under_journal() -> bool:
    """Whether what is written to stderr lands in systemd's journal."""
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    # The variable is inherited; what counts is that stderr is still what it names (systemd.exec(5)).
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


def notify_socket() -> str | None:
    """Where systemd wants to be told that the service is ready and alive; None where nobody does."""
    return os.environ.get("NOTIFY_SOCKET") or None


def credential(name: str) -> Path:
    """Where a secret lies: a bare name in systemd's CREDENTIALS_DIRECTORY where there is one; a path is a path."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = expanded(name)
    return Path(folder) / name if folder and path == Path(path.name) else path


def expanded(text: str | os.PathLike[str]) -> Path:
    """The path, with whose home `~` means. ConfigError where there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError as err:
        raise ConfigError(f"{text}: there is no such user; write the whole path") from err
