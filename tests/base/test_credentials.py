"""What secrets are read from files, and which of them would let a stranger in who guesses."""

from pathlib import Path

import pytest

from listener.base import credentials
from listener.errors import ConfigError


@pytest.mark.parametrize("token", [b"x", b"0123456789abcde"])
def test_a_token_by_which_we_let_others_in_is_long(token: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^door: the token has less than 16 characters.*openssl rand"):
        credentials.unguessable("door", token)


@pytest.mark.parametrize("token", [b"", b"0123456789abcdef"])
def test_no_token_and_one_that_is_long_enough_pass(token: bytes) -> None:
    assert credentials.unguessable("door", token) == token


def test_a_token_that_another_service_gave_us_is_not_ours_to_judge(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short\n")
    assert credentials.token("webhook: token_file", str(tmp_path / "token")) == b"short"
