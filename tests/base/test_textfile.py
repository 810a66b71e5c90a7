"""Text files from any system."""

from pathlib import Path

import pytest

from listener.base.textfile import read_text
from listener.errors import ConfigError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_with_or_without_a_byte_order_mark_is_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes("Grüße\n".encode(encoding))
    assert read_text(tmp_path / "f") == "Grüße\n"


@pytest.mark.parametrize("content", ["Grüße".encode("latin-1"), "secret".encode("utf-16-le"), b"\xff\xfe\x00"])
def test_other_encodings_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_text(tmp_path / "f")
    assert caught.value.code == "file-encoding"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_text(tmp_path / "f")
    assert caught.value.code == "file-unreadable"
