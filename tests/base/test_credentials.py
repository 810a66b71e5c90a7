"""Secrets are read from files, and tokens that could be guessed are refused."""

import codecs
from pathlib import Path

import pytest

from listener.base import credentials
from listener.errors import ConfigError


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2\r\n", b"hunter2"),
        (codecs.BOM_UTF8 + b"hunter2\n", b"hunter2"),
        ("hunter2\n".encode("utf-16"), b"hunter2"),
        (bytes(range(200, 256)), bytes(range(200, 256))),
    ],
)
def test_a_secret_is_read_as_any_system_writes_it(content: bytes, secret: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert credentials.secret("webhook: secret_file", str(tmp_path / "secret")) == secret


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "secret-unreadable"),
        (b" \n", "secret-empty"),
        ("hunter2".encode("utf-16-le"), "file-encoding"),
        (b"two words", "token-invalid"),
        ("Gr\u00fc\u00dfe".encode(), "token-invalid"),
    ],
)
def test_a_token_that_cannot_be_sent_is_an_error(content: bytes | None, code: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        credentials.token("webhook: token_file", str(tmp_path / "token"))
    assert caught.value.code == code
    assert caught.value.message.startswith(f"webhook: token_file: {tmp_path / 'token'} ")


def test_without_a_name_there_is_no_secret() -> None:
    assert credentials.secret("webhook: secret_file", "") == b""


def test_a_token_that_could_be_guessed_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        credentials.check_length("page", b"0123456789abcde")
    assert caught.value.code == "token-short"


@pytest.mark.parametrize("token", [b"", b"0123456789abcdef"])
def test_no_token_and_one_that_is_long_enough_are_accepted(token: bytes) -> None:
    assert credentials.check_length("page", token) == token
