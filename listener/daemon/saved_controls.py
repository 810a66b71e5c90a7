"""Keeps what users have changed in a running daemon - snoozes, labels, thresholds - over a restart."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from listener.base import paths
from listener.messages import Command, State
from listener.routing.controls import Controls

log = logging.getLogger(__name__)

MAX_BYTES = 1_000_000


def path_for(config: Path | None) -> Path:
    """Return where the controls of a daemon with this configuration file are kept.

    Raises:
        ConfigError: The user has no home.
    """
    digest = hashlib.sha256(os.fsencode(config.absolute()) if config else b"").hexdigest()
    return paths.state_folder() / f"controls-{digest[:8]}.json"


class SavedControls:
    """The file with the state of the controls.

    A threshold is stored with the configured one, and is dropped if that has changed when it is restored: the
    configuration then holds the newer decision.

    Args:
        path: The file.
        controls: The controls to restore and to watch.
        configured: Returns the configured on-threshold of each label.
    """

    def __init__(self, path: Path, controls: Controls, configured: Callable[[], Mapping[str, float]]) -> None:
        self._path, self._controls, self._configured = path, controls, configured
        self._changed = False
        self._failing = False

    def restore(self) -> None:
        """Apply what is stored, except for names that no longer exist and snoozes that have run out."""
        applied = [command for command in _commands(self._read(), self._configured()) if self._apply(command)]
        if applied:
            names = ", ".join(f"{command.command} {command.what}" for command in applied)
            log.info("restored from before the restart: %s", names)
        self._controls.watch(self._on_change)

    def save(self) -> None:
        """Write the state if it has changed since the last call."""
        if not self._changed:
            return
        self._changed = False
        try:
            self._write(self._controls.state())
            self._failing = False
        except OSError as err:
            log.log(logging.DEBUG if self._failing else logging.WARNING, "%s: not written: %s", self._path, err)
            self._failing = True

    def _on_change(self, _state: State) -> None:
        self._changed = True

    def _apply(self, command: Command) -> bool:
        try:
            self._controls.execute(command)
        except ValueError as err:
            log.info("not restored: %s", err)
            return False
        return True

    def _read(self) -> dict[str, Any]:
        try:
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                # O_NONBLOCK: a pipe in its place does not hang the daemon
                stored = json.loads(file.read(MAX_BYTES) or b"{}")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as err:
            log.warning("%s: not read: %s", self._path, err)
            return {}
        return stored if isinstance(stored, dict) else {}

    def _write(self, state: State) -> None:
        configured = self._configured()
        stored = {
            "snoozed": state.snoozed,
            "listening_for": state.listening_for,
            "thresholds": {label: [on, configured.get(label)] for label, on in state.thresholds.items()},
        }
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path.with_suffix(".part")
        part.unlink(missing_ok=True)  # a link or pipe in its place is not followed
        part.touch(mode=0o600, exist_ok=False)
        part.write_text(json.dumps(stored))
        part.replace(self._path)


def _commands(stored: dict[str, Any], configured: Mapping[str, float]) -> list[Command]:
    """The commands that bring a stored state about. Anything malformed is left out."""
    commands = []
    for what, until in _table(stored, "snoozed").items():
        remaining_s = _remaining_s(until)
        if until is None or (remaining_s is not None and remaining_s > 0):
            commands.append(Command(command="snooze", what=what, for_s=remaining_s))
    for source, labels in _table(stored, "listening_for").items():
        if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            commands.append(Command(command="listen", what=source, labels=labels))
    for label, pair in _table(stored, "thresholds").items():
        match pair:
            case [float() | int() as on, before] if before == configured.get(label):
                commands.append(Command(command="threshold", what=label, on=float(on)))
    return commands


def _table(stored: dict[str, Any], key: str) -> dict[str, Any]:
    table = stored.get(key)
    return table if isinstance(table, dict) else {}


def _remaining_s(until: object) -> float | None:
    try:
        return datetime.fromisoformat(str(until)).timestamp() - time.time()
    except ValueError:
        return None
