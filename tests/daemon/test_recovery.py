"""A running daemon whose microphone goes away: noticed within 5 s, said in log and status, and survived."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from listener.client import Client
from listener.messages import SourceStatus, Status
from tests.virtual import VirtualMic
from tests.waiting import eventually

NOTICED_S = 5.0
BROKEN = '[[source]]\nkind = "microphone"\nname = "broken"\ndevice = "gone"\nwait = true\n'


class Running:
    """A daemon in a process of its own, its log, and what its socket says to one client, from its start to its end."""

    def __init__(self, folder: Path, sources: str, flags: tuple[str, ...]) -> None:
        socket = folder / "listener.sock"
        (folder / "config.toml").write_text(f'{sources}[[sink]]\nkind = "socket"\npath = "{socket}"\n')
        command = [sys.executable, "-m", "listener", "run", "--config", str(folder / "config.toml"), *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        self.log: list[str] = []
        self.statuses: list[Status] = []
        self._client = Client(f"unix:{socket}")
        self._threads = [threading.Thread(target=self._read_log)]
        self._threads[0].start()
        self.says("events on unix:")
        self._threads.append(threading.Thread(target=self._read_socket))
        self._threads[1].start()

    def _read_log(self) -> None:
        assert self.process.stderr
        self.log.extend(iter(self.process.stderr.readline, ""))

    def _read_socket(self) -> None:
        self.statuses.extend(message for message in self._client.receive(["status"]) if isinstance(message, Status))

    def says(self, words: str, within_s: float = 30.0) -> None:
        """Wait for a line of the log."""
        eventually(lambda: any(words in line for line in self.log), f"{words!r} in {self.log}", within_s)

    def shows(self, what: Callable[[SourceStatus], object], words: str, within_s: float = 30.0) -> None:
        """Wait for a status of the microphone."""
        eventually(lambda: self.statuses and what(self.statuses[-1].sources["microphone"]), words, within_s)

    def becomes(self, state: str, within_s: float = 30.0) -> None:
        self.shows(lambda source: source.state == state, f"{state} in {self.statuses[-1:]}", within_s)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        for thread in self._threads:
            thread.join(10)
        assert self.process.wait(10) == -signal.SIGTERM
        assert not any("Traceback" in line for line in self.log)


Start = Callable[..., Running]


@pytest.fixture
def start(virtual_mic: VirtualMic, tmp_path: Path) -> Iterator[Start]:  # noqa: ARG001 - its environment
    """Starts a daemon on the virtual microphone."""
    running: list[Running] = []

    def started(*flags: str, sources: str = "") -> Running:
        running.append(Running(tmp_path, sources, flags))
        return running[-1]

    yield started
    for each in running:
        each.stop()


@pytest.mark.parametrize(
    ("takes_away", "gives_back"), [("unplug", "plug"), ("stall", "resume"), ("freeze", "thaw"), ("crash", "start")]
)
def test_an_absence_is_noticed_and_over_when_the_microphone_is_back(
    takes_away: str, gives_back: str, start: Start, virtual_mic: VirtualMic
) -> None:
    daemon = start()
    daemon.becomes("listening")
    virtual_mic(takes_away)
    daemon.becomes("recovering", NOTICED_S)
    daemon.says("WARNING microphone: recovering: ", NOTICED_S)
    virtual_mic(gives_back)
    daemon.becomes("listening")
    heard_s = daemon.statuses[-1].sources["microphone"].heard_s
    daemon.shows(lambda source: source.heard_s > heard_s + 1, "audio")


def test_many_absences_are_two_lines(start: Start, virtual_mic: VirtualMic) -> None:
    daemon = start()
    daemon.becomes("listening")
    for _ in range(3):
        virtual_mic("unplug")
        daemon.becomes("recovering", NOTICED_S)
        virtual_mic("plug")
        daemon.becomes("listening")
    daemon.says("INFO microphone: listening again after 3 interruptions, ")
    about = [line for line in daemon.log if "recovering" in line or "listening" in line]
    assert len(about) == 3, "one when it was first heard, two of the episode"
    assert daemon.statuses[-1].sources["microphone"].lost_s > 0
    assert not any(" lost " in line for line in daemon.log), "how long it was deaf is said once"


def test_digital_silence_is_a_trouble_of_a_microphone_that_listens(start: Start, virtual_mic: VirtualMic) -> None:
    daemon = start()
    daemon.shows(lambda source: source.trouble, "the trouble")
    assert daemon.statuses[-1].sources["microphone"].state == "listening"
    daemon.says("WARNING microphone: only digital silence for 10 s")
    virtual_mic.play((np.random.default_rng(0).standard_normal(3 * 16_000) * 100).astype(np.int16), 16_000)
    daemon.shows(lambda source: not source.trouble, "no trouble")


def test_a_machine_that_stood_still_goes_on(start: Start, virtual_mic: VirtualMic) -> None:
    daemon = start()
    daemon.becomes("listening")
    daemon.process.send_signal(signal.SIGSTOP)
    virtual_mic("freeze")
    virtual_mic("thaw")
    daemon.process.send_signal(signal.SIGCONT)
    heard_s = daemon.statuses[-1].sources["microphone"].heard_s
    daemon.shows(lambda source: source.state == "listening" and source.heard_s > heard_s + 2, "audio")


def test_a_microphone_that_always_fails_costs_the_other_nothing(start: Start) -> None:
    daemon = start(sources=f'[[source]]\nkind = "microphone"\n{BROKEN}')
    daemon.shows(lambda source: source.heard_s > 8, "eight seconds of audio")
    assert daemon.statuses[-1].sources["microphone"].lost_s == 0
    assert daemon.statuses[-1].sources["broken"].state == "waiting"
    assert len([line for line in daemon.log if "broken" in line]) == 1


def test_a_microphone_that_is_not_there_at_start_ends_the_program_with_the_remedy(
    virtual_mic: VirtualMic, tmp_path: Path
) -> None:
    virtual_mic("unplug")
    command = [sys.executable, "-m", "listener", "run", "--plain", "--set", "daemon.log_level=error"]
    environment = dict(os.environ) | {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 2
    assert "--wait" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("trouble", ["unplug", "freeze", "crash"])
def test_a_microphone_that_is_not_there_at_start_is_waited_for(
    trouble: str, start: Start, virtual_mic: VirtualMic
) -> None:
    virtual_mic(trouble)
    daemon = start("--wait")
    daemon.says("WARNING microphone: waiting: ")
    daemon.becomes("waiting", NOTICED_S)
    virtual_mic({"unplug": "plug", "freeze": "thaw", "crash": "start"}[trouble])
    daemon.becomes("listening")
    assert len([line for line in daemon.log if "microphone: " in line]) == 2
