"""The units are ones that systemd takes, they keep the service in its sandbox, and the service speaks its protocol.

`test_systemd_box` runs them for real; what is here needs no systemd that runs.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from listener import config as configuration
from listener.base import requirements
from listener.cli import systemd_units
from listener.config import Config
from listener.errors import ConfigError
from scripts import make_units
from tests.conftest import HEEDING_HANGUPS
from tests.waiting import eventually

COMMAND = ["/usr/bin/env", "listener", "run", "--wait", "--plain"]
systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")


def config(folder: Path, text: str) -> Config:
    (folder / "config.toml").write_text(text)
    return configuration.load(folder / "config.toml")


def written(folder: Path, manager: systemd_units.Manager, *, network: bool = False) -> Path:
    path = folder / "listener.service"
    text = systemd_units.unit(manager, COMMAND, network=network, secrets=["token"], folder=Path("/etc/listener"))
    path.write_text(text)
    return path


@systemd
def test_systemd_finds_nothing_to_say_about_the_system_unit(tmp_path: Path) -> None:
    unit = written(tmp_path, "system", network=True)
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "listener.service" in line]
    assert (done.returncode, about_ours) == (0, [])


@systemd
def test_systemd_finds_nothing_to_say_about_the_user_unit(tmp_path: Path) -> None:
    unit = written(tmp_path, "user")
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    command = ["systemd-analyze", "--user", "verify", unit]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "listener.service" in line]
    assert (done.returncode, about_ours) == (0, []), done.stderr


@systemd
@pytest.mark.parametrize("network", [False, True])
def test_the_system_service_is_exposed_by_two_of_ten_at_most(tmp_path: Path, network: bool) -> None:
    unit = written(tmp_path, "system", network=network)
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_the_units_for_packagers_are_the_ones_that_are_shipped() -> None:
    for path, text in make_units.rendered().items():
        assert path.read_text() == text, "python -m scripts.make_units writes them"


@pytest.mark.parametrize(
    ("sink", "network"),
    [
        ('kind = "socket"', False),
        ('kind = "socket"\ntcp = "127.0.0.1:8790"', True),
        ('kind = "log"', False),
        ('kind = "history"', False),
        ('kind = "mqtt"', True),
        ('kind = "prometheus"', True),
    ],
)
def test_the_network_is_opened_for_what_uses_it(sink: str, network: bool, tmp_path: Path) -> None:
    parts = config(tmp_path, f"[[sink]]\n{sink}\n").sinks
    assert systemd_units.uses_network(parts) is network


def test_a_command_that_names_an_address_uses_the_network(tmp_path: Path) -> None:
    sources = '[[source]]\nkind = "command"\nname = "a"\ncommand = ["arecord"]\n'
    assert not systemd_units.uses_network(config(tmp_path, sources).sources)
    sources += '[[source]]\nkind = "command"\nname = "b"\ncommand = ["ffmpeg", "-i", "rtsp://camera/1"]\n'
    assert systemd_units.uses_network(config(tmp_path, sources).sources)


def test_secrets_with_a_bare_name_are_credentials() -> None:
    wanted = [
        requirements.Requirements(secrets={"password_file": "mqtt-password"}),
        requirements.Requirements(secrets={"token_file": "/etc/token"}),
    ]
    assert systemd_units.secrets(wanted) == ["mqtt-password"]
    text = systemd_units.unit("system", COMMAND, secrets=["mqtt-password"], folder=Path("/etc/listener"))
    assert "\nLoadCredential=mqtt-password:/etc/listener/mqtt-password\n" in text


def test_a_path_with_spaces_and_signs_is_quoted() -> None:
    text = systemd_units.unit("user", ["/opt/my 100% $ure/listener", "run"], folder=Path("/etc"))
    assert '\nExecStart="/opt/my 100%% $$ure/listener" run\n' in text


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs `listener install-service` for a user whose home is the test's folder."""
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}

    def run(*flags: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "listener", "install-service", *flags]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return run


def test_it_writes_the_unit_of_the_user_with_this_program_and_says_how_to_start_it(
    install: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("")
    done = install("--user", "--config", str(tmp_path / "mine.toml"))
    assert done.returncode == 0, done.stderr
    unit = (tmp_path / "systemd" / "user" / "listener.service").read_text()
    assert f"run --wait --plain --config {tmp_path / 'mine.toml'}\n" in unit
    (started,) = [line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart=")]
    version = subprocess.run([*started.split()[:-5], "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("listener ")
    assert "systemctl --user enable --now listener" in done.stdout
    assert "loginctl enable-linger" in done.stdout


def test_it_prints_the_unit_and_writes_nothing(
    install: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    done = install("--user", "--print")
    assert done.stdout.splitlines()[-1] == "WantedBy=default.target"
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_the_service_could_not_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    hidden = config(tmp_path, "")  # pytest's folders are in /tmp, and closed to others
    with pytest.raises(ConfigError) as raised:
        systemd_units.refuse_closed(hidden, Path("/usr"))
    assert raised.value.code in ("service-program", "service-config")  # this interpreter may be hidden as well


def test_a_wrong_configuration_is_no_service(
    install: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    (tmp_path / "wrong.toml").write_text("[gate]\nkind = 'opne'\n")
    done = install("--user", "--print", "--config", str(tmp_path / "wrong.toml"))
    assert done.returncode == 2
    assert "gate.kind" in done.stderr


class Manager:
    """What stands in for systemd: the socket that a service tells how it does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))

    def hears(self, *states: str, within_s: float = 30) -> None:
        """Wait for a message that says all of these."""
        self._socket.settimeout(within_s)
        while not set(states) <= set(self._socket.recv(4096).decode().splitlines()):
            pass

    def forget(self) -> None:
        """Read away what was said before."""
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def test_the_service_says_when_it_is_ready_reloads_lives_and_stops(manager: Manager, tmp_path: Path) -> None:
    environment = os.environ | {
        "NOTIFY_SOCKET": str(manager.path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    (tmp_path / "listener").mkdir()
    (tmp_path / "listener" / "config.toml").write_text('[[source]]\nkind = "microphone"\ndevice = "no such thing"\n')
    command = [*HEEDING_HANGUPS, sys.executable, "-m", "listener", "run", "--wait", "--plain"]
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    manager.hears("READY=1")
    manager.hears("STATUS=microphone: waiting")
    manager.hears("WATCHDOG=1")
    process.send_signal(signal.SIGHUP)
    manager.hears("RELOADING=1")
    manager.hears("READY=1", "STATUS=reloaded")
    process.send_signal(signal.SIGTERM)
    manager.hears("STOPPING=1")
    assert process.wait(10) == -signal.SIGTERM


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what a process does is looked up in /proc")
def test_the_watchdog_of_a_stopped_service_is_not_fed(manager: Manager, tmp_path: Path) -> None:
    environment = os.environ | {"NOTIFY_SOCKET": str(manager.path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "listener", "run", "--wait", "--plain", "--device", "no such thing"]
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    manager.hears("WATCHDOG=1")
    process.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{process.pid}/stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it has stopped")
    manager.forget()
    with pytest.raises(TimeoutError):  # it was fed once a second
        manager.hears("WATCHDOG=1", within_s=3)
    process.kill()
    process.wait()
