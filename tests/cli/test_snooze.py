"""`listener snooze`, `wake` and `reload` beside a daemon's real socket."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from listener.cli import main
from listener.cli.times import duration_s
from listener.errors import ConfigError
from listener.routing.controls import Controls
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.cli.conftest import code
from tests.sinks.messages import HELLO, event


@pytest.fixture
def controls() -> Controls:
    return Controls(HELLO.labels, {"weather": ["rain"]}, HELLO.sources)


@contextmanager
def serving(tmp_path: Path, controls: Controls) -> Iterator[str]:
    server = SocketServer(SocketConfig(path=str(tmp_path / "s")), HELLO)
    server.set_controls(controls)
    server.open()
    try:
        yield f"unix:{server.path}"
    finally:
        server.close()


@pytest.fixture
def address(tmp_path: Path, controls: Controls) -> Iterator[str]:
    with serving(tmp_path, controls) as served:
        yield served


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main.main(words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_snoozed_group_is_not_reported(address: str, controls: Controls, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "snooze", "weather", "1h30m", "--connect", address)
    assert status == 0
    assert re.fullmatch(r"weather  until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n", out)
    assert not controls.allows(event(label="rain"))


@pytest.mark.parametrize("wake", [["wake", "siren"], ["snooze", "siren", "--wake"]])
def test_a_snooze_is_listed_until_it_is_woken(
    wake: list[str], address: str, controls: Controls, capsys: pytest.CaptureFixture[str]
) -> None:
    _, begun, _ = run(capsys, "snooze", "siren", "--until-woken", "--connect", address)
    _, listed, _ = run(capsys, "snooze", "--connect", address)
    assert begun == listed
    assert not controls.allows(event(label="siren"))
    _, woken, _ = run(capsys, *wake, "--connect", address)
    assert woken != listed
    assert controls.allows(event(label="siren"))


def test_a_name_the_daemon_does_not_know_is_refused_with_the_nearest(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, "snooze", "siern", "1h", "--connect", address)
    assert (status, code(err), "'siren'" in err) == (2, "client-refused", True)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("snooze siren", "snooze-duration"),
        ("snooze siren 1h --until-woken", "snooze-duration"),
        ("snooze siren 1", "cli-duration"),
        ("snooze --wake", "snooze-what"),
        ("wake", "cli-usage"),
    ],
)
def test_an_incomplete_command_is_refused(words: str, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, *words.split())
    assert (status, code(err)) == (2, wanted)


def test_without_a_daemon_it_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "snooze", "--connect", f"unix:{tmp_path}/none")
    assert (status, code(err)) == (1, "client-no-daemon")


def test_reload_asks_the_daemon_and_names_what_waits_for_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, Controls([], {}, [], reload=lambda: ["model"])) as address:
        assert "model" in run(capsys, "reload", "--connect", address)[1]


def test_a_refused_reload_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> list[str]:
        raise ConfigError("gate.kind: unknown")

    with serving(tmp_path, Controls([], {}, [], reload=refuse)) as address:
        status, _, err = run(capsys, "reload", "--connect", address)
    assert (status, code(err), "gate.kind" in err) == (2, "client-refused", True)


@pytest.mark.parametrize(
    ("text", "expected"), [("45s", 45), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800)]
)
def test_durations(text: str, expected: float) -> None:
    assert duration_s(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-5m", "5x"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        duration_s(text)
    assert raised.value.code == "cli-duration"
