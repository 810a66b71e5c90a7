"""Keeps tests away from the user who runs them: a home, folders and system paths of their own."""

from pathlib import Path

# Variables through which a service manager or a desktop would hand the program something of the user's.
INHERITED = (
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "WATCHDOG_USEC",
    "DBUS_SESSION_BUS_ADDRESS",
    "PIPEWIRE_REMOTE",
    "PULSE_COOKIE",
    "PULSE_RUNTIME_PATH",
    "PULSE_SERVER",
    "ALSA_CONFIG_PATH",
)
FOLDERS = {
    "HOME": "home",
    "XDG_CONFIG_HOME": "home/.config",
    "XDG_STATE_HOME": "home/.local/state",
    "XDG_DATA_HOME": "home/.local/share",
    "XDG_CACHE_HOME": "home/.cache",
    "XDG_RUNTIME_DIR": "run",
    "LISTENER_ROOT": "root",
}


def environment(folder: Path) -> dict[str, str]:
    """Make the folders of a user who has nothing yet.

    Args:
        folder: An existing folder. Keep its path short: the control socket lies below it.

    Returns:
        The variables that make a program take these folders for the user's and for the system's.
    """
    for name in FOLDERS.values():
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    return {variable: str(folder / name) for variable, name in FOLDERS.items()}
