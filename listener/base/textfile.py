"""Text files that users write, on whatever system: configurations, passwords and tokens."""

import codecs
from pathlib import Path

from listener.errors import ConfigError

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        ConfigError: The file cannot be read (`file-unreadable`) or is in another encoding (`file-encoding`).
    """
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as err:
        raise ConfigError(
            f"{path} cannot be read ({err.strerror})",
            code="file-unreadable",
            remedy="Check that the file exists and that this user may read it.",
        ) from err


def decode(content: bytes, name: str) -> str:
    """Decode the content of a text file; `name` is for the error.

    Raises:
        ConfigError: The text is in another encoding than UTF-8 or UTF-16 with a byte order mark (`file-encoding`).
    """
    try:
        text = content.decode("utf-16" if content.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as err:
        raise _encoding_error(name) from err
    if "\0" in text:  # UTF-16 without a byte order mark is valid UTF-8 full of zeros
        raise _encoding_error(name)
    return text


def _encoding_error(name: str) -> ConfigError:
    return ConfigError(f"{name} is not text in UTF-8", code="file-encoding", remedy="Save it as UTF-8.")
