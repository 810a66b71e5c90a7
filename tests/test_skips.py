"""A skip that nobody expects makes CI fail."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TEST = "import pytest\ndef test_one(): pytest.skip({reason!r})\n"


@pytest.mark.parametrize(
    ("reason", "ci", "status"),
    [("no tool", "true", 1), ("no tool", "", 0), ("this machine has a sound card", "true", 0)],
)
def test_an_unexpected_skip_fails_ci_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, reason: str, ci: str, status: int
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    pytester.makepyfile(TEST.format(reason=reason))
    done = pytester.runpytest_subprocess("-p", "tests.skips", "-p", "no:xdist")
    assert done.ret == status
