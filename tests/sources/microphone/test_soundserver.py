"""A sound server that moves a stream is noticed, and the microphone opened anew only where that helps."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from listener.messages import SourceState
from listener.sources.base import BaseSource
from listener.sources.microphone.soundserver import SoundServerMonitor, StreamRoute, stream_route
from listener.sources.microphone.source import Microphone, MicrophoneConfig
from tests.sources.conftest import Listening, reading
from tests.virtual import VirtualMic
from tests.waiting import eventually

Listen = Callable[[BaseSource], Listening]

OUTPUTS = """Source Output #1
	Driver: protocol-native.c
	Source: 0
	Properties:
		application.process.id = "77"

Source Output #12
	Driver: protocol-native.c
	Source: 10
	Properties:
		application.name = "ALSA plug-in [python3.11]"
		application.process.id = "4711"
"""
SOURCES = """Source #0
	State: IDLE
	Name: sink.monitor
Source #10
	State: RUNNING
	Name: alsa_input.usb-Mic
	Description: Mic
Source #1
	Name: webcam
"""
INFO = "Server Name: pulseaudio\nDefault Sink: sink\nDefault Source: webcam\n"


@pytest.mark.parametrize(("pid", "source"), [(77, "sink.monitor"), (4711, "alsa_input.usb-Mic")])
def test_the_source_of_a_programs_stream_is_read(pid: int, source: str) -> None:
    assert stream_route(OUTPUTS, SOURCES, INFO, pid) == StreamRoute(source, "webcam")


@pytest.mark.parametrize(
    ("outputs", "sources", "info"), [("", SOURCES, INFO), (OUTPUTS, "", INFO), (OUTPUTS, SOURCES, "")]
)
def test_what_the_server_does_not_say_is_not_known(outputs: str, sources: str, info: str) -> None:
    assert stream_route(outputs, sources, info, 4711) is None


def test_a_program_without_a_stream_has_no_stream_route() -> None:
    assert stream_route(OUTPUTS, SOURCES, INFO, 471) is None


@pytest.mark.parametrize("missing", ["PATH", "PULSE_SERVER"])
def test_without_pactl_or_a_server_nothing_is_asked(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/native")
    monkeypatch.setenv(missing, "")
    threads = threading.active_count()
    monitor = SoundServerMonitor(1)
    monitor.open()
    assert threading.active_count() == threads
    assert monitor.moved == monitor.offered == ""
    monitor.close()


def test_a_default_that_is_changed_is_followed_and_said(virtual_mic: VirtualMic, listen: Listen) -> None:  # noqa: ARG001
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard(10)
    another("camera")
    pactl("set-default-source", "camera.monitor")
    eventually(lambda: heard.reports[-1][1].endswith("; the sound server moved it to camera.monitor"), "the move")
    pactl("set-default-source", "virtual_mic.monitor")
    eventually(lambda: heard.reports[-1] == heard.reports[0], "it is back")
    assert set(heard.states) == {SourceState.LISTENING}
    assert heard.gaps_s() == []


def test_a_microphone_by_name_is_never_replaced_by_another(virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig(device="virtual_mic")))
    heard.heard(10)
    another("camera")
    virtual_mic("unplug")
    eventually(lambda: SourceState.RECOVERING in heard.states, "the absence is noticed", within_s=5)
    assert heard.reports[1][1] == "the sound server moved it to camera.monitor"
    assert heard.gaps_s() == []
    virtual_mic("plug")
    heard.recovers()
    assert {detail for state, detail in heard.reports if state is SourceState.LISTENING} == {heard.reports[0][1]}


def test_a_doubted_microphone_is_opened_anew_only_when_the_default_is_another(
    virtual_mic: VirtualMic,  # noqa: ARG001
    listen: Listen,
) -> None:
    microphone = Microphone(MicrophoneConfig())
    heard = listen(microphone)
    heard.heard(10)
    another("dead")
    another("camera")
    pactl("move-source-output", pactl("list", "short", "source-outputs").split()[0], "dead.monitor")
    eventually(lambda: heard.reports[-1][1].endswith("moved it to dead.monitor"), "the move")
    for _ in range(10):
        microphone.on_signal_fault()
        heard.heard(1)
    assert set(heard.states) == {SourceState.LISTENING}

    pactl("set-default-source", "camera.monitor")

    def doubted() -> bool:
        microphone.on_signal_fault()
        return SourceState.RECOVERING in heard.states

    eventually(doubted, "it is opened anew")
    heard.recovers()
    assert (SourceState.RECOVERING, "the sound server's default is camera.monitor now") in heard.reports
    assert "camera.monitor" in pactl("list", "short", "sources").split("\tRUNNING")[0].rpartition("\n")[2]


def test_what_asks_the_server_ends_with_a_daemon_that_is_killed(virtual_mic: VirtualMic) -> None:  # noqa: ARG001
    with reading() as reader:
        (asking,) = [pid for pid in children(reader.pid) if "pactl" in command_of(pid)]
        reader.kill()
    eventually(lambda: "subscribe" not in command_of(asking), "it has ended")


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def another(name: str) -> None:
    """Plug another microphone in."""
    pactl("load-module", "module-null-sink", f"sink_name={name}", "channels=1", "norewinds=1")


def pactl(*arguments: str) -> str:
    return subprocess.run(["pactl", *arguments], check=True, capture_output=True, text=True, timeout=10).stdout
