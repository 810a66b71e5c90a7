"""Secrets: one line of a file or of a systemd credential (systemd.exec(5), LoadCredential=)."""

import codecs
import re

from listener.base import paths
from listener.base.textfile import UTF16, decode
from listener.errors import ConfigError

PRINTABLE = re.compile(b"[!-~]+")
MIN_TOKEN_CHARS = 16  # of a token that lets clients in


def secret(key: str, name: str) -> bytes:
    """Read a secret.

    Args:
        key: The key of the configuration that names it, for errors.
        name: The file or the systemd credential; empty for none.

    Returns:
        The secret; empty without a name.

    Raises:
        ConfigError: It cannot be read or is empty.
    """
    if not name:
        return b""
    path = paths.credential(name)
    try:
        content = path.read_bytes()
    except OSError as err:
        remedy = "Check that the file exists and that this user may read it."
        message = f"{key}: {path} cannot be read ({err.strerror})"
        raise ConfigError(message, code="secret-unreadable", remedy=remedy) from err
    is_encoded = content.startswith((*UTF16, codecs.BOM_UTF8)) or content[1:2] == b"\0"  # as Windows saves text
    held = decode(content, f"{key}: {path}").encode().strip() if is_encoded else content.strip()
    if not held:
        raise ConfigError(f"{key}: {path} is empty", code="secret-empty", remedy="Write the secret into it.")
    return held


def token(key: str, name: str) -> bytes:
    """Read a secret that is sent as it is: one line of printable ASCII.

    Raises:
        ConfigError: As for `secret`, or it contains other characters (`token-invalid`).
    """
    held = secret(key, name)
    if held and not PRINTABLE.fullmatch(held):
        message = f"{key}: {paths.credential(name)} does not contain a token"
        raise ConfigError(message, code="token-invalid", remedy="Write one line of printable ASCII without spaces.")
    return held


def check_length(key: str, token: bytes) -> bytes:
    """Refuse a token that lets clients in and could be guessed; empty is none.

    A token that another service gave us may be shorter.

    Raises:
        ConfigError: It is too short (`token-short`).
    """
    if token and len(token) < MIN_TOKEN_CHARS:
        message = f"{key}: the token has fewer than {MIN_TOKEN_CHARS} characters and could be guessed"
        raise ConfigError(message, code="token-short", remedy="Make one with: openssl rand -hex 32")
    return token
