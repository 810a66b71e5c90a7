"""The whole thing with every kind of sink: an alarm played into a real microphone arrives everywhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from models.data.synthesis import synthesise
from tests.broker import MOSQUITTO, Broker, Client, free_port, in_order_once
from tests.receiver import Server, answers
from tests.virtual import VirtualMic
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto on this machine (make test installs it)")

RATE = 48_000
ALARM = "smoke_alarm"
BASE = "listener/microphone"

Start = Callable[[str], "subprocess.Popen[bytes]"]


def alarm() -> np.ndarray:
    """Ten seconds of a smoke alarm over a quiet room, as int16."""
    room = 0.001 * np.random.default_rng(0).standard_normal(14 * RATE)
    room[2 * RATE : 12 * RATE] += 0.3 * synthesise(ALARM, 7, 10.0, RATE)
    return (32_767 * np.clip(room, -1, 1)).astype(np.int16)


@pytest.fixture
def start(virtual_mic: VirtualMic, tmp_path: Path) -> Iterator[Start]:  # noqa: ARG001 - its environment
    """Starts a daemon with some sinks on the virtual microphone; it listens when this returns."""
    processes = []
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path)}

    def started(sinks: str) -> "subprocess.Popen[bytes]":
        (tmp_path / "config.toml").write_text(sinks)
        command = [sys.executable, "-m", "listener", "run", "--config", str(tmp_path / "config.toml")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        processes.append(process)
        assert process.stderr
        assert any(b"listening" in line for line in iter(process.stderr.readline, b""))
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate(timeout=5)


def test_an_alarm_arrives_everywhere(virtual_mic: VirtualMic, start: Start, broker: Broker, tmp_path: Path) -> None:
    receiver, port, heard = Server(answers(200)), free_port(), tmp_path / "heard"
    program = tmp_path / "heard.sh"
    program.write_text(f'#!/bin/sh\necho "$LISTENER_LABEL $LISTENER_PHASE" >> {heard}\ncat >> {heard}\n')
    program.chmod(0o755)
    mqtt = "\n".join(f"{key} = {json.dumps(value)}" for key, value in broker.settings().items())
    when = 'when = { labels = ["alarm"] }'
    daemon = start(
        f'[[sink]]\nkind = "mqtt"\n{mqtt}\n[[sink]]\nkind = "webhook"\nurl = "{receiver.url}"\n{when}\n'
        f'[[sink]]\nkind = "command"\nrun = ["{program}"]\n{when}\n[[sink]]\nkind = "history"\n'
        f'[[sink]]\nkind = "prometheus"\naddress = "127.0.0.1:{port}"\n'
    )
    client = Client(broker, f"{BASE}/#")
    virtual_mic.play(alarm(), RATE)
    client.gets(f"{BASE}/{ALARM}", b"ON")
    receiver.heard(1)
    eventually(lambda: heard.is_file() and len(heard.read_text().splitlines()) == 2, "the command has run")
    client.gets(f"{BASE}/{ALARM}", b"OFF", 30)
    lines = [line for line in client.on(f"{BASE}/event") if json.loads(line)["label"] == ALARM]
    client.close()
    metrics = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(5) == -signal.SIGTERM

    assert json.loads(lines[0])["phase"] == "start"
    assert json.loads(lines[-1])["phase"] == "end"
    assert len(in_order_once(lines)) == len(lines)
    assert [json.loads(body)["label"] for _, _, body in receiver.requests] == [ALARM]
    assert heard.read_text().splitlines()[0] == f"{ALARM} start"
    assert f'listener_events_total{{label="{ALARM}",source="microphone"}} 1.0' in metrics
    rows = history(tmp_path)
    assert [row["under_way"] for row in rows if row["label"] == ALARM] == [False]
    receiver.end()


def test_a_daemon_that_is_killed_loses_no_event_that_had_ended(
    virtual_mic: VirtualMic, start: Start, tmp_path: Path
) -> None:
    daemon = start('[[sink]]\nkind = "history"\n')
    virtual_mic.play(alarm(), RATE)
    eventually(lambda: any(not row["under_way"] for row in history(tmp_path)), "an event has ended", 30)
    before = history(tmp_path)
    daemon.kill()
    daemon.wait(5)
    assert history(tmp_path) == before
    start('[[sink]]\nkind = "history"\n')
    assert [row["id"] for row in history(tmp_path)][: len(before)] == [row["id"] for row in before]


def history(tmp_path: Path) -> "list[dict[str, object]]":
    """What `listener history` says; nothing before there is a file."""
    path = tmp_path / "state" / "listener" / "history.db"
    command = [sys.executable, "-m", "listener", "history", "--json", "--path", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]
