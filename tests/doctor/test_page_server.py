"""A port that our own page has is no problem, whoever asks; one that another's page has is."""

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="no starlette here (pip install 'listener[web]')")
pytest.importorskip("uvicorn", reason="no uvicorn here (pip install 'listener[web]')")

from listener.doctor.finding import Severity
from tests.doctor.test_sinks import looked_at
from tests.receiver import Server, answers
from tests.web.conftest import Start, start

__all__ = ["start"]


@pytest.mark.parametrize("token", [b"", b"0123456789abcdef"], ids=["for anybody", "for a token"])
def test_a_port_may_be_our_own_pages(token: bytes, start: Start, tmp_path: Path) -> None:
    address = start(token).removeprefix("http://")
    (tmp_path / "token").write_bytes(token)
    settings = {"token_file": str(tmp_path / "token")} if token else {}
    (found,) = looked_at("web", address=address, **settings)
    assert (found.level, found.text) == (Severity.OK, f"{address} is held by a running listener")


def test_or_another_programs() -> None:
    other = Server(answers(200))
    (found,) = looked_at("web", address=f"127.0.0.1:{other.port}")
    other.end()
    assert (found.level, "is not to be had" in found.text) == (Severity.PROBLEM, True)
