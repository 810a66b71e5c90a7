"""`listener watch` in a real terminal, of a real daemon on a real microphone: what a person would see."""

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from listener.client import Client
from listener.messages import Command
from tests.cli.conftest import code
from tests.daemon.test_live import RATE, played
from tests.tmux import Window
from tests.virtual import VirtualMic
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]

Open = Callable[[int, int], Window]


class Daemon:
    """A daemon that a test starts, kills and starts again."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self._config = folder / "config.toml"
        self._config.write_text(f'[[sink]]\nkind = "socket"\npath = "{self.socket}"\n')
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "listener", "run", "--wait", "--config", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ))

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def pause(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    @property
    def written(self) -> dict[str, dict[str, float]]:
        """Sections of labels in its configuration."""
        sections: dict[str, dict[str, float]] = tomllib.loads(self._config.read_text()).get("labels", {})
        return sections

    @property
    def client(self) -> Client:
        return Client(f"unix:{self.socket}")


@pytest.fixture
def daemon(virtual_mic: VirtualMic, tmp_path: Path) -> Iterator[Daemon]:  # noqa: ARG001 - its environment
    each = Daemon(tmp_path)
    yield each
    each.end()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Open]:
    """Opens a window in which `listener watch` runs."""
    windows: list[Window] = []

    def opened(width: int, height: int, **variables: str) -> Window:
        windows.append(Window(tmp_path, width, height))
        windows[-1].start(
            [sys.executable, "-m", "listener", "watch", "--connect", f"unix:{tmp_path / 's'}"], **variables
        )
        return windows[-1]

    yield opened
    for window in windows:
        window.close()


def test_from_a_daemon_that_is_not_there_to_one_that_hears_and_is_steered(
    daemon: Daemon, watch: Open, virtual_mic: VirtualMic
) -> None:
    window = watch(80, 24)
    window.shows("no daemon", "waiting since")
    daemon.start()
    window.shows("microphone  listening", "gate", "dBFS", "to socket", "? help")
    virtual_mic.play(played(["rooster"]), RATE)
    window.shows("rooster              peak")
    assert any("▀" in line for line in window.lines()[2:10])

    window.press("Down", "+")
    window.shows("▸", "*")
    eventually(lambda: daemon.client.command(Command(command="state")).thresholds, "a threshold in the daemon")
    window.press("w")
    window.shows("config.toml.bak", "[labels.", "on = ")
    assert list(daemon.written) == list(daemon.client.command(Command(command="state")).thresholds)
    window.press("x")
    window.press("m")
    window.shows("muted")
    assert list(daemon.client.command(Command(command="state")).snoozed) == ["microphone"]
    window.press("?")
    window.shows("mute")
    window.press("?")
    window.shows("timeline")

    window.press("q")
    window.shows("status 0")
    assert "[labels." not in window.text()
    assert window.cursor
    assert not window.alternate


def test_a_microphone_that_goes_and_comes_back_is_seen_in_a_large_window(
    daemon: Daemon, watch: Open, virtual_mic: VirtualMic
) -> None:
    daemon.start()
    window = watch(200, 50)
    window.shows("microphone  listening")
    virtual_mic("unplug")
    window.shows("microphone  recovering: ")
    virtual_mic("plug")
    window.shows("microphone  listening")


def test_a_window_that_changes_its_size_is_filled_and_a_small_one_says_so(daemon: Daemon, watch: Open) -> None:
    daemon.start()
    window = watch(200, 50)
    window.shows("10 min ago", "? help")
    window.resize(80, 24)
    eventually(lambda: "? help" in window.lines()[-1], "the foot in the last line", 30)
    assert "now" in next(line for line in window.lines() if "timeline" in line)
    window.resize(40, 10)
    window.shows("the window is 40x10")
    window.resize(100, 30)
    window.shows("listening", "events")


def test_a_daemon_that_is_killed_leaves_the_picture_and_the_next_is_followed(daemon: Daemon, watch: Open) -> None:
    daemon.start()
    window = watch(100, 30)
    window.shows("microphone  listening", "dBFS")
    daemon.end(signal.SIGKILL)
    window.shows("waiting for the next", "dBFS")
    assert "microphone" in window.text()
    daemon.start()
    window.hides("waiting for the next")
    window.shows("microphone  listening")


def test_a_daemon_that_hangs_is_noticed_and_seen_to_go_on(daemon: Daemon, watch: Open) -> None:
    daemon.start()
    window = watch(100, 30)
    window.shows("microphone  listening")
    daemon.pause()
    window.shows("nothing since")
    daemon.go_on()
    window.hides("nothing since")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(ending: signal.Signals, watch: Open) -> None:
    window = watch(80, 24)
    window.shows("waiting since")
    os.kill(child_of(window.pid), ending)
    window.shows(f"status {128 + ending}")
    assert window.cursor
    assert not window.alternate


def child_of(shell: int) -> int:
    (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    return int(child)


def test_another_version_of_the_protocol_is_said_and_the_end(tmp_path: Path, watch: Open) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "s"))
        door.listen()
        window = watch(80, 24)
        door.settimeout(60)
        visitor, _ = door.accept()
        visitor.sendall(
            b'{"type":"hello","v":99,"version":"9","pid":1,"model":"m","provider":"cpu",'
            b'"labels":[],"thresholds":{},"groups":{},"sources":[]}\n'
        )
        window.shows("99", "[client-v", "status 1")
        visitor.close()


@pytest.mark.parametrize(("variables", "glyph"), [({"NO_COLOR": "1"}, "─"), ({"LC_ALL": "C"}, "---")])
def test_it_can_do_without_colour_and_with_ascii(
    variables: dict[str, str], glyph: str, daemon: Daemon, watch: Callable[..., Window]
) -> None:
    daemon.start()
    window = watch(80, 24, **variables)
    window.shows("microphone  listening", glyph)
    coloured = any(re.search(r"\x1b\[(\d+;)*3[0-8]\b", line) for line in window.lines("-e"))
    assert coloured is ("NO_COLOR" not in variables)
    assert window.text().isascii() is ("LC_ALL" in variables)


def test_where_nothing_can_be_drawn_it_says_what_to_use_instead() -> None:
    done = subprocess.run([sys.executable, "-m", "listener", "watch"], capture_output=True, text=True, check=False)
    assert (done.returncode, code(done.stderr)) == (2, "watch-no-terminal")


def test_ctrl_z_gives_the_terminal_back_until_the_shell_has_it_go_on(tmp_path: Path) -> None:
    with Window(tmp_path, 80, 24) as window:
        window.start(["bash", "--norc", "-i"], PS1="ready> ")
        window.shows("ready>")
        window.type(f"{sys.executable} -m listener watch --connect unix:{tmp_path / 's'}")
        for _ in range(3):
            window.shows("waiting since")
            window.press("C-z")
            window.shows("Stopped")
            assert not window.alternate
            window.type("stty -a")
            window.shows(" icanon ")
            window.type("bg")
            window.shows("&")
            window.type("clear; fg")
        window.shows("waiting since")
        window.press("q")
        window.hides("waiting since")


def test_listener_run_is_the_same_display_and_takes_the_same_keys(
    virtual_mic: VirtualMic,  # noqa: ARG001 - its environment
    tmp_path: Path,
) -> None:
    (tmp_path / "config.toml").write_text('[[sink]]\nkind = "console"\n')
    with Window(tmp_path, 100, 30) as window:
        window.start([sys.executable, "-m", "listener", "run", "--config", str(tmp_path / "config.toml")])
        window.shows("microphone  listening", "to console")
        window.press("m")
        window.shows("muted")
        window.press("Down", "-")
        window.shows("*")
        window.press("w")
        window.shows("[labels.", "on = ")
        assert "[labels." in (tmp_path / "config.toml").read_text()
        window.press("x", "q")
        window.shows("status 0")
        assert window.cursor
