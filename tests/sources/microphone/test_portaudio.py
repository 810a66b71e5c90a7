"""Which device is chosen, at which rate it is opened, and what is said when it is not."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from listener.sources.microphone.capture import PacketWriter
from listener.sources.microphone.portaudio import (
    CaptureError,
    Deliver,
    Input,
    Wish,
    _PyAudio,
    _SoundDevice,
    choose,
    open_best,
    settings,
)
from listener.sources.microphone.protocol import HEADER, MAGIC

BUILT_IN = Input(0, "HDA Intel PCH: ALC257 Analog (hw:0,0)", "ALSA", 2, 44100)
USB = Input(3, "USB PnP Audio: - (hw:1,0)", "ALSA", 1, 48000)
CAMERA = Input(5, "USB Camera (hw:2,0)", "ALSA", 2, 32000)
ALL = [BUILT_IN, USB, CAMERA]


class Card:
    """A PortAudio with one card that takes only some settings."""

    def __init__(self, takes: set[tuple[int, int]], answer: str = "Invalid sample rate [PaErrorCode -9997]") -> None:
        self.takes, self.answer = takes, answer
        self.tried: list[tuple[int, int]] = []

    def inputs(self) -> list[Input]:
        return ALL

    def default(self) -> int | None:
        return 3

    def offers(self, _device: Input, rate: int, channels: int) -> bool:
        return (rate, channels) in self.takes

    def open(self, _device: Input, rate: int, channels: int, _block: int, _deliver: Deliver) -> Callable[[], bool]:
        self.tried.append((rate, channels))
        if (rate, channels) not in self.takes:
            raise OSError(self.answer)
        return lambda: True


def opened(card: Card) -> tuple[int, int]:
    rate, channels, _ = open_best(card, CAMERA, Wish(16000, 0, 40), lambda *_: None)
    return rate, channels


@pytest.mark.parametrize(
    ("wanted", "device"),
    [
        ("default", USB),
        ("0", BUILT_IN),
        ("usb camera (HW:2,0)", CAMERA),
        ("pnp", USB),
        ("alc257", BUILT_IN),
    ],
)
def test_a_device_is_chosen_by_index_name_or_part_of_it(wanted: str, device: Input) -> None:
    assert choose(ALL, [wanted], 3) is device


def test_a_whole_name_wins_over_a_part_of_another() -> None:
    one, other = Input(0, "USB", "ALSA", 1, 48000), Input(1, "USB 2", "ALSA", 1, 48000)
    assert choose([other, one], ["usb"], None) is one


@pytest.mark.parametrize(
    ("devices", "wanted", "code", "named"),
    [
        (ALL, "usb", "source-device-ambiguous", [USB, CAMERA]),
        (ALL, "bluetooth", "source-device-missing", ALL),
        (ALL, "4", "source-device-missing", ALL),
        ([], "default", "source-device-none", []),
    ],
)
def test_a_device_that_is_not_there_or_not_unique_is_an_error_with_a_list(
    devices: list[Input], wanted: str, code: str, named: list[Input]
) -> None:
    with pytest.raises(CaptureError) as caught:
        choose(devices, [wanted], 3)
    assert caught.value.code == code
    assert [device for device in ALL if device.name in caught.value.message] == named


def test_without_a_default_the_first_is_taken() -> None:
    assert choose(ALL, ["default"], None) is BUILT_IN


def test_the_wanted_settings_come_first_and_the_devices_own_last() -> None:
    tried = settings(Input(0, "odd", "ALSA", 4, 37800), Wish(44100, 4, 40))
    assert tried[:3] == [(44100, 4), (44100, 1), (44100, 2)]
    assert tried[-1] == (37800, 2)
    assert len(tried) == len(set(tried))


def test_channels_that_a_device_lacks_are_not_tried() -> None:
    assert {channels for _, channels in settings(USB, Wish(16000, 2, 40))} == {1}


def test_the_first_settings_that_open_are_taken() -> None:
    assert opened(Card({(48000, 2), (44100, 1)})) == (48000, 2)


def test_a_device_that_accepts_no_settings_is_an_error_with_what_was_tried() -> None:
    with pytest.raises(CaptureError) as caught:
        opened(Card(set()))
    assert caught.value.code == "source-device-refused"
    assert "16000, 48000, 44100" in caught.value.message
    assert "-9997" in caught.value.message


def test_a_busy_device_is_asked_once() -> None:
    card = Card(set(), "Device unavailable [PaErrorCode -9985]")
    with pytest.raises(CaptureError) as caught:
        opened(card)
    assert caught.value.code == "source-device-busy"
    assert len(card.tried) == 1


def test_a_channel_beyond_the_first_opens_with_enough_channels() -> None:
    array = Input(0, "array", "ALSA", 6, 16000)
    assert {channels for _, channels in settings(array, Wish(16000, 0, 40, 5))} == {5, 6}
    with pytest.raises(CaptureError) as caught:
        open_best(Card(set()), array, Wish(16000, 0, 40, 7), lambda *_: None)
    assert caught.value.code == "source-channel"
    assert caught.value.is_lasting


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def packets(reader: int) -> list[tuple[int, int]]:
    """The first sample and the length of each packet in the pipe, which must hold whole ones."""
    os.set_blocking(reader, False)
    try:
        written = os.read(reader, 1 << 20)
    except BlockingIOError:
        return []
    found, at = [], 0
    while at < len(written):
        magic, samples, index, _ = HEADER.unpack_from(written, at)
        assert magic == MAGIC
        at += HEADER.size + 2 * samples
        found.append((index, samples))
    assert at == len(written)
    return found


def test_packets_number_their_samples(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = PacketWriter(writer, block_ms=40)
    outlet.open(16000)
    for _ in range(3):
        outlet.deliver(bytes(4), 2, False)
    assert packets(reader) == [(0, 2), (2, 2), (4, 2)]


def test_nothing_is_written_before_the_opening_was_told(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = PacketWriter(writer, block_ms=40)
    outlet.deliver(bytes(4), 2, False)
    assert packets(reader) == []
    outlet.open(16000)
    outlet.deliver(bytes(4), 2, False)
    assert packets(reader) == [(0, 2), (2, 2)]


def test_a_reader_that_does_not_read_costs_the_oldest_and_no_packet_is_torn(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1 << 16)
    outlet = PacketWriter(writer, block_ms=1000)
    outlet.open(16000)
    for _ in range(12):
        outlet.deliver(bytes(32000), 16000, False)  # two fit into the pipe, the third in part
    written = bytearray(os.read(reader, 1 << 16))
    outlet.deliver(bytes(32000), 16000, False)
    while len(written) < 8 * (32000 + HEADER.size):
        written += os.read(reader, 1 << 16)
        outlet.deliver(b"", 0, False)
    starts = [HEADER.unpack_from(written, at)[::2] for at in range(0, 8 * (32000 + HEADER.size), 32000 + HEADER.size)]
    assert starts == [(MAGIC, 16000 * number) for number in (0, 1, 2, 8, 9, 10, 11, 12)]


def test_an_overflow_is_a_gap(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = PacketWriter(writer, block_ms=40)
    outlet.open(16000)
    outlet.deliver(bytes(1280), 640, False)
    outlet.deliver(bytes(1280), 640, True)
    assert packets(reader)[1][0] > 640


def test_an_overflow_is_as_long_as_the_clock_says(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = PacketWriter(writer, block_ms=40)
    outlet.open(16000)
    outlet.deliver(bytes(1280), 640, False)
    time.sleep(0.25)
    outlet.deliver(bytes(1280), 640, True)
    index, samples = packets(reader)[1]
    assert 0.2 < (index + samples - 640) / 16000 < 1


class SoundDeviceModule:
    """What sounddevice does of importance here: it calls back with a status."""

    PortAudioError = OSError

    def RawInputStream(self, *_: object, callback: Callable[..., object], **__: object) -> SimpleNamespace:  # noqa: N802
        self.call = lambda overflow: callback(b"\0\0", 1, None, SimpleNamespace(input_overflow=overflow))
        return SimpleNamespace(start=lambda: None, active=True)


class PyAudioModule:
    """The same of PyAudio, whose status is a number of flags."""

    paInt16, paContinue, paInputUnderflow, paInputOverflow = 8, 0, 1, 2  # noqa: N815

    def open(self, *_: object, stream_callback: Callable[..., object], **__: object) -> SimpleNamespace:
        self.call = lambda overflow: stream_callback(b"\0\0", 1, None, 2 if overflow else 1 | 4)
        return SimpleNamespace(is_active=lambda: True)


@pytest.mark.parametrize(("backend", "module"), [(_SoundDevice, SoundDeviceModule()), (_PyAudio, PyAudioModule())])
def test_the_overflow_flag_of_each_library_is_delivered(
    backend: type, module: SoundDeviceModule | PyAudioModule
) -> None:
    delivered: list[tuple[bytes, int, bool]] = []
    library = object.__new__(backend)  # without importing the library, which may not be installed
    library._library = library._module = module
    assert library.open(USB, 16000, 1, 640, lambda *each: delivered.append(each))()
    for overflow in (True, False):
        module.call(overflow)
    assert delivered == [(b"\0\0", 1, True), (b"\0\0", 1, False)]
