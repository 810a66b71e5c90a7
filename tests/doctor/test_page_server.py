"""A port at which our own page is served is no problem, with or without a token."""

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="no starlette here (pip install 'listener[web]')")
pytest.importorskip("uvicorn", reason="no uvicorn here (pip install 'listener[web]')")

from tests.doctor.test_sinks import looked_at
from tests.receiver import Server, answers
from tests.web.conftest import Start, start

__all__ = ["start"]


@pytest.mark.parametrize("token", [b"", b"0123456789abcdef"], ids=["without a token", "with a token"])
def test_the_port_of_our_own_page_is_recognised(token: bytes, start: Start, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(token)
    settings = {"token_file": str(tmp_path / "token")} if token else {}
    (found,) = looked_at("web", address=start(token).removeprefix("http://"), **settings)
    assert found.code == "address-ours"


def test_the_port_of_another_program_is_a_problem() -> None:
    other = Server(answers(200))
    (found,) = looked_at("web", address=f"127.0.0.1:{other.port}")
    other.end()
    assert found.code == "address-taken"
