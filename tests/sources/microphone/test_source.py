"""Real PortAudio, on the virtual microphone: what is played arrives, and every absence is survived."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Pcm
from listener.sources.base import BaseSource
from listener.sources.devices import inputs
from listener.sources.microphone.source import Microphone, MicrophoneConfig
from tests.sources.conftest import Listening, reading
from tests.virtual import VirtualMic
from tests.waiting import eventually

Listen = Callable[[BaseSource], Listening]
ABSENT = "no input device is 'Desk: USB Audio'"


def chirp(rate: int, seconds: float = 0.4) -> Pcm:
    t = np.arange(round(rate * seconds)) / rate
    return (12000 * np.sin(2 * np.pi * (300 * t + 3000 * t**2))).astype(np.int16)


def likeness(played: Pcm, heard: Pcm) -> float:
    """The normalised correlation of what was played with where it fits best in what was heard."""
    size = 1 << (len(heard) + len(played)).bit_length()
    spectrum = np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(played.astype(float), size))
    at = int(np.argmax(np.fft.irfft(spectrum)[: len(heard)]))
    part = heard[at : at + len(played)].astype(float)
    whole = played[: len(part)].astype(float)
    return float(part @ whole / (np.linalg.norm(part) * np.linalg.norm(whole) + 1e-9))


@pytest.mark.parametrize("backend", ["sounddevice", "pyaudio"])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_what_is_played_is_what_arrives(backend: str, rate: int, virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig(backend=backend, rate=rate)))
    heard.heard()
    virtual_mic.play(chirp(rate), rate)
    heard.heard(10)
    assert {block.rate for block in heard.blocks} == {rate}
    assert likeness(chirp(rate), heard.audio()) > 0.97
    assert heard.gaps_s() == []


def test_a_device_is_found_by_part_of_its_name_and_gain_applied(virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig(device="Virtual", channels=2, gain_db=-20)))
    heard.heard()
    virtual_mic.play(chirp(16000), 16000)
    heard.heard(10)
    assert heard.blocks[0].pcm.shape[1] == 2
    assert 1000 < np.abs(heard.audio()).max() < 1400


@pytest.mark.usefixtures("virtual_mic")
def test_blocks_carry_the_time_at_which_they_were_captured(listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard()
    assert heard.blocks[-1].captured_at == pytest.approx(time.time(), abs=1)


def test_an_unplugged_microphone_is_back_when_it_is_plugged_in(virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard()
    before = time.monotonic()
    virtual_mic("unplug")
    gone = time.monotonic()
    eventually(lambda: SourceState.RECOVERING in heard.states, "the absence is noticed", within_s=3)
    least = time.monotonic() - gone
    virtual_mic("plug")
    heard.recovers()
    most = time.monotonic() - before
    (gap,) = heard.gaps_s()
    assert least - 0.3 <= gap <= most + 0.3  # what the virtual microphone's own commands take is not known


def test_a_stalled_microphone_is_started_again(virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard()
    virtual_mic("stall")
    eventually(lambda: heard.reports[-1] == (SourceState.RECOVERING, "no audio for 1 s"), "the stall is noticed", 4)
    virtual_mic("resume")
    heard.recovers()
    assert len(heard.gaps_s()) == 1


def test_a_frozen_sound_server_is_survived(virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig(backend="pyaudio")))
    heard.heard()
    virtual_mic("freeze")
    eventually(lambda: SourceState.RECOVERING in heard.states, "the freeze is noticed", within_s=4)
    virtual_mic("thaw")
    heard.recovers()
    assert len(heard.gaps_s()) == 1


@pytest.mark.parametrize("backend", ["sounddevice", "pyaudio"])
def test_a_killed_sound_server_is_survived(backend: str, virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig(backend=backend)))
    heard.heard()
    virtual_mic("crash")
    eventually(lambda: SourceState.RECOVERING in heard.states, "the crash is noticed", within_s=3)
    assert heard.reports[-1][1] == "the device has gone"
    virtual_mic("start")
    heard.recovers()


def test_close_returns_while_the_sound_server_is_frozen(virtual_mic: VirtualMic, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard()
    virtual_mic("freeze")
    assert heard.close() < 0.5
    assert heard.error is None


@pytest.mark.usefixtures("virtual_mic")
def test_no_child_outlives_its_microphone(listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard()
    child = _children()
    heard.close()
    assert len(child) == 1
    assert _children() == []


@pytest.mark.usefixtures("virtual_mic")
def test_a_killed_capture_process_is_replaced(listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard()
    os.kill(_children()[0], signal.SIGKILL)
    heard.recovers()
    (gap_s,) = heard.gaps_s()
    assert 0 < gap_s < 10


def test_the_capture_process_ends_when_its_reader_was_killed(virtual_mic: VirtualMic) -> None:
    with reading() as reader:
        child = _children(reader.pid)[0]
        virtual_mic("freeze")  # it must end although PortAudio hangs
        reader.kill()
    eventually(lambda: not _runs(child), "the child has ended")


@pytest.mark.usefixtures("virtual_mic")
def test_the_capture_process_is_small(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # the measurement of coverage takes memory too
    heard = listen(Microphone(MicrophoneConfig()))
    heard.heard(20)
    status = Path(f"/proc/{_children()[0]}/status").read_text()
    resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident_kb * 1024 < 25e6


@pytest.mark.parametrize("name", ["nothing", "u", "77"])
@pytest.mark.usefixtures("virtual_mic")
def test_a_name_that_matches_nothing_or_two_gives_the_list_to_choose_from(name: str, listen: Listen) -> None:
    heard = listen(Microphone(MicrophoneConfig(device=name)))
    eventually(lambda: heard.error, "the error")
    assert isinstance(heard.error, SourceError)
    assert "0 'virtual_mic' (ALSA); 1 'default' (ALSA)" in str(heard.error)


def test_a_microphone_that_is_waited_for_is_heard_when_it_comes(virtual_mic: VirtualMic, listen: Listen) -> None:
    virtual_mic("unplug")
    heard = listen(Microphone(MicrophoneConfig(wait=True)))
    eventually(lambda: heard.reports, "a report")
    assert heard.states == [SourceState.WAITING]
    virtual_mic("plug")
    eventually(lambda: SourceState.LISTENING in heard.states, "listening")
    heard.heard()


def test_a_device_that_does_not_open_says_what_was_tried(virtual_mic: VirtualMic, listen: Listen) -> None:
    virtual_mic("unplug")
    heard = listen(Microphone(MicrophoneConfig(device="virtual_mic")))
    eventually(lambda: heard.error, "the error")
    assert "16000, 48000" in str(heard.error)
    assert "ALSA error" in str(heard.error)


@pytest.mark.usefixtures("virtual_mic")
def test_the_inputs_are_listed_with_the_rates_that_open() -> None:
    for backend in ("sounddevice", "pyaudio"):
        found = inputs(backend)
        assert [device.name for device in found] == ["virtual_mic", "default"]
        assert {16000, 44100, 48000} <= set(found[0].rates)


def test_without_a_sound_server_there_is_no_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "asound.conf"
    empty.write_text("pcm.!default { type empty }\nctl.!default { type empty }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(empty))
    assert inputs() == []
    with pytest.raises(SourceError) as caught:
        next(Microphone(MicrophoneConfig()).blocks(lambda *_: None))
    assert caught.value.code == "source-device-none"


def test_an_empty_configuration_of_alsa_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "asound.conf").touch()
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    with pytest.raises(SourceError) as caught:
        next(Microphone(MicrophoneConfig()).blocks(lambda *_: None))
    assert caught.value.code == "portaudio-aborted"
    with pytest.raises(SourceError) as caught:
        inputs()
    assert caught.value.code == "sound-system-failed"
    assert "alsa.conf" in caught.value.remedy


@pytest.mark.parametrize(
    ("backend", "failure", "code"),
    [
        ("sounddevice", "OSError('PortAudio library not found')", "portaudio-missing"),
        ("pyaudio", "ImportError('libportaudio.so.2: cannot open')", "portaudio-missing"),
        ("pyaudio", "ImportError('No module named pyaudio')", "pyaudio-missing"),
    ],
)
def test_a_missing_library_is_an_error(
    backend: str, failure: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{backend}.py").write_text(f"raise {failure}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SourceError) as caught:
        next(Microphone(MicrophoneConfig(backend=backend, wait=True)).blocks(lambda *_: None))
    assert caught.value.code == code
    with pytest.raises(SourceError) as caught:
        inputs(backend)
    assert caught.value.code == code


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cards that capture processes find, one a line."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "cards"))
    monkeypatch.setenv("CARDS", str(tmp_path / "cards"))
    return tmp_path / "cards"


def test_a_microphone_that_another_program_uses_at_first_is_waited_for(cards: Path, listen: Listen) -> None:
    cards.write_text("USB Audio (hw:91,0) busy")
    with pytest.raises(SourceError) as caught:
        next(Microphone(MicrophoneConfig()).blocks(lambda *_: None))
    assert caught.value.code == "source-device-busy"
    assert "--wait" in caught.value.remedy
    heard = listen(Microphone(MicrophoneConfig(wait=True)))
    eventually(lambda: SourceState.WAITING in heard.states, "a report")
    cards.write_text("USB Audio (hw:91,0)")
    heard.heard()
    assert heard.reports[-1] == (SourceState.LISTENING, "USB Audio (hw:91,0), 16000 Hz, 1 channel")


@pytest.mark.parametrize("device", [0, "hw:91,0", "desk"])
def test_a_microphone_that_comes_back_renamed_and_renumbered_is_found_again(
    device: str | int, cards: Path, listen: Listen
) -> None:
    cards.write_text("Desk: USB Audio (hw:91,0)")
    heard = listen(Microphone(MicrophoneConfig(device=device)))
    heard.heard()
    cards.write_text("Camera: USB Audio (hw:91,0)")
    eventually(lambda: any(detail.startswith(ABSENT) for _, detail in heard.reports), f"{heard.reports}", 10)
    cards.write_text("Camera: USB Audio (hw:91,0)\nDesk: USB Audio (hw:92,0)")
    heard.recovers()
    assert heard.reports[-1] == (SourceState.LISTENING, "Desk: USB Audio (hw:92,0), 16000 Hz, 1 channel")


def _children(pid: int | str = "self") -> list[int]:
    """The capture processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    pids = [int(child) for task in tasks for child in task.read_text().split()]
    return [
        child for child in pids if b"listener.sources.microphone.capture" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("device", "codes"), [("desk", []), ("attic", ["source-device-missing"])])
def test_a_named_device_that_is_not_there_is_a_problem_before_it_is_opened(
    device: str, codes: list[str], cards: Path
) -> None:
    cards.write_text("Desk: USB Audio (hw:91,0)")
    found = Microphone(MicrophoneConfig(device=device)).problems()
    assert [each.code for each in found] == codes


@pytest.mark.parametrize("config", [MicrophoneConfig(), MicrophoneConfig(device="attic", wait=True)])
def test_the_default_device_and_one_that_is_waited_for_are_no_problem(config: MicrophoneConfig, cards: Path) -> None:
    cards.write_text("")
    assert list(Microphone(config).problems()) == []
