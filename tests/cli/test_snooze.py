"""`listener snooze` beside a daemon's real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from listener.cli import main
from listener.cli.commands.snooze import seconds
from listener.errors import ConfigError
from listener.routing.controls import Controls
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.sinks.messages import HELLO, event


@pytest.fixture
def controls() -> Controls:
    return Controls(HELLO.labels, {"weather": ["rain"]}, HELLO.sources)


@pytest.fixture
def address(tmp_path: Path, controls: Controls) -> Iterator[str]:
    server = SocketServer(SocketConfig(path=str(tmp_path / "s")), HELLO)
    server.steer(controls)
    server.open()
    yield f"unix:{server.path}"
    server.close()


def test_what_is_snoozed_is_said_and_not_reported(
    address: str, controls: Controls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["snooze", "weather", "1h30m", "--connect", address]) == 0
    assert capsys.readouterr().out.startswith("weather  until ")
    assert not controls.admits(event(label="rain"))


def test_it_is_woken_and_listed(address: str, controls: Controls, capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["snooze", "siren", "--connect", address])
    main.main(["snooze", "--connect", address])
    assert capsys.readouterr().out == "siren  until it is woken\n" * 2
    main.main(["snooze", "siren", "--wake", "--connect", address])
    assert capsys.readouterr().out == "nothing is snoozed\n"
    assert controls.admits(event(label="siren"))


def test_a_name_the_daemon_does_not_know_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["snooze", "siern", "--connect", address]) == 2
    assert "did you mean 'siren'?" in capsys.readouterr().err


def test_to_wake_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["snooze", "--wake"]) == 2
    assert "say what is to be reported again" in capsys.readouterr().err


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["snooze", "--connect", f"unix:{tmp_path}/none"]) == 1
    assert "listener run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("45s", 45), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-5m", "5x"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as 45s"):
        seconds(text)
