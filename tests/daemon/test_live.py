"""The whole thing: real recordings played into a real PortAudio microphone come out of the socket with their names."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.client import Client
from listener.messages import Event
from listener.pipeline.values import Floats
from tests.conftest import shared_recording
from tests.virtual import VirtualMic
from tests.waiting import eventually

RATE = 48_000
SOUNDS = {"dog_bark": 1, "rooster": 1, "baby_cry": 0, "rain": 1}


def played(labels: list[str]) -> "np.ndarray":
    """The loudest 3 s of each recording with a room's silence between them, as int16 at 48 kHz."""
    silence = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.001
    parts = [part for label in labels for part in (loudest(shared_recording(label, RATE, SOUNDS[label])), silence)]
    return (np.clip(np.concatenate([silence, *parts]), -1, 1) * 32_767).astype(np.int16)


def loudest(recording: Floats, seconds: int = 3) -> Floats:
    """The 3 s from half a second before the loudest moment."""
    peak = int(np.argmax(np.abs(recording)))
    begin = max(0, min(peak - RATE // 2, len(recording) - seconds * RATE))
    return recording[begin : begin + seconds * RATE]


@pytest.fixture
def daemon(virtual_mic: VirtualMic, tmp_path: Path) -> Iterator[Callable[..., Path]]:  # noqa: ARG001 - its environment
    """Starts a daemon on the virtual microphone; its socket, once it greets and listens."""
    processes = []

    def start(*flags: str) -> Path:
        socket = tmp_path / "listener.sock"
        text = f'[[sink]]\nkind = "socket"\npath = "{socket}"\n'
        (tmp_path / "config.toml").write_text(text)
        command = [sys.executable, "-m", "listener", "run", "--config", str(tmp_path / "config.toml"), *flags]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ))
        processes.append(process)
        assert process.stderr
        assert any(b"listening" in line for line in iter(process.stderr.readline, b""))
        return socket

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=5)
        assert process.returncode == -signal.SIGTERM
        assert b"Traceback" not in complaint


@pytest.mark.parametrize(
    "flags",
    [
        ("--backend", "sounddevice", "--rate", "16000"),
        ("--backend", "sounddevice", "--rate", "48000"),
        ("--backend", "pyaudio", "--rate", "16000"),
        ("--backend", "pyaudio", "--rate", "48000"),
    ],
    ids=" ".join,
)
def test_recordings_played_into_the_microphone_come_out_of_the_socket_by_name(
    flags: tuple[str, ...], daemon: Callable[..., Path], virtual_mic: VirtualMic
) -> None:
    labels = list(SOUNDS) if flags[1] == "sounddevice" else ["dog_bark"]
    sound = played(labels)
    client = Client(f"unix:{daemon(*flags)}")
    hello, heard = threading.Event(), []

    def read() -> None:
        for message in client.receive():
            hello.set()
            if isinstance(message, Event) and message.phase == "start":
                heard.append(message)

    reader = threading.Thread(target=read)
    reader.start()
    assert hello.wait(5)
    virtual_mic.play(sound, RATE)
    eventually(lambda: {event.label for event in heard} >= set(labels), f"{labels}; heard {heard}", 5)
    client.close()
    reader.join()
    assert list(dict.fromkeys(event.label for event in heard if event.label in labels)) == labels
    assert all(event.start for event in heard)


def test_a_command_that_writes_pcm_is_a_microphone_too(tmp_path: Path) -> None:
    path = tmp_path / "bark.wav"
    soundfile.write(path, played(["rooster"]), RATE)
    command = json.dumps(["bash", "-c", f"tail -c +45 {path}; sleep 30"])
    text = (
        f'[[source]]\nkind = "command"\ncommand = {command}\nrate = {RATE}\n[[sink]]\nkind = "console"\njson = true\n'
    )
    (tmp_path / "config.toml").write_text(text)
    run = [sys.executable, "-m", "listener", "run", "--config", str(tmp_path / "config.toml")]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert "rooster" in {json.loads(process.stdout.readline())["label"] for _ in range(1)}
        process.send_signal(signal.SIGTERM)


def test_devices_lists_the_microphone_with_the_rates_that_open(virtual_mic: VirtualMic) -> None:  # noqa: ARG001
    done = subprocess.run([sys.executable, "-m", "listener", "devices"], capture_output=True, text=True, check=False)
    (line,) = [line for line in done.stdout.splitlines() if "virtual_mic" in line]
    assert done.returncode == 0
    assert "16000" in line
    assert "48000" in line


def test_a_device_that_matches_no_name_is_refused_with_the_list(virtual_mic: VirtualMic, tmp_path: Path) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "listener", "run", "--plain", "--device", "USB"]
    environment = dict(os.environ) | {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "no input device is 'USB'; there are: " in done.stderr
    assert "virtual_mic" in done.stderr
