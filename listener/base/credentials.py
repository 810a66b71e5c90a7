"""Secrets: one line of a file, or of a credential of systemd's (systemd.exec(5), LoadCredential=)."""

import re

from listener.base import paths
from listener.errors import ConfigError

PRINTABLE = re.compile(rb"[!-~]+")
SHORTEST = 16  # characters of a token by which we let others in
OF_WHICH = "which is one line of plain characters"


def secret(key: str, name: str) -> bytes:
    """What the file holds, empty without a name. ConfigError, naming the key, where it cannot be read or is empty."""
    return _held(key, name, "secret")


def token(key: str, name: str) -> bytes:
    """Likewise, of characters that can be sent as they are."""
    held = _held(key, name, "token")
    if held and not PRINTABLE.fullmatch(held):
        raise ConfigError(f"{key} {paths.credential(name)}: holds no token, {OF_WHICH}")
    return held


def unguessable(key: str, token: bytes) -> bytes:
    """A token by which we let others in; empty: none. ConfigError, naming the key, where it is too short.

    One that another service gave us to show is that service's to judge.
    """
    if token and len(token) < SHORTEST:
        raise ConfigError(
            f"{key}: the token has less than {SHORTEST} characters, and could be guessed; "
            "make one with: openssl rand -hex 32"
        )
    return token


def _held(key: str, name: str, what: str) -> bytes:
    if not name:
        return b""
    path = paths.credential(name)
    try:
        held = path.read_bytes().strip()
    except OSError as err:
        raise ConfigError(f"{key} {path}: cannot be read ({err.strerror}); is it there, and ours?") from err
    if not held:
        raise ConfigError(f"{key} {path}: holds no {what}, {OF_WHICH}")
    return held
