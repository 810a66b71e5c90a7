"""Which device is chosen, at which rate it is opened, and what is said when it is not."""

import struct
from collections.abc import Callable

import pytest

from listener.sources.capture import Backlog
from listener.sources.portaudio import CaptureError, Heard, Input, Wish, choose, open_best, settings
from listener.sources.protocol import HEADER, MAGIC

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

    def offers(self, device: Input, rate: int, channels: int) -> bool:
        return (rate, channels) in self.takes

    def open(self, device: Input, rate: int, channels: int, block: int, heard: Heard) -> Callable[[], bool]:
        self.tried.append((rate, channels))
        if (rate, channels) not in self.takes:
            raise OSError(self.answer)
        return lambda: True


def opened(card: Card, wish: Wish = Wish(16000, 0, 40)) -> tuple[int, int]:
    rate, channels, _ = open_best(card, CAMERA, wish, lambda *_: None)
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
    assert choose(ALL, wanted, 3) is device


def test_a_whole_name_wins_over_a_part_of_another() -> None:
    one, other = Input(0, "USB", "ALSA", 1, 48000), Input(1, "USB 2", "ALSA", 1, 48000)
    assert choose([other, one], "usb", None) is one


def test_a_name_that_matches_several_lists_those() -> None:
    with pytest.raises(CaptureError, match=r"several input devices match 'usb'; there are: 3 .*; 5 ") as said:
        choose(ALL, "usb", 3)
    assert "ALC257" not in str(said.value)


@pytest.mark.parametrize("wanted", ["bluetooth", "4"])
def test_one_that_matches_none_lists_all(wanted: str) -> None:
    with pytest.raises(CaptureError, match=r"no input device is .*ALC257.*PnP.*Camera"):
        choose(ALL, wanted, 3)


def test_without_any_device_the_remedy_is_named() -> None:
    with pytest.raises(CaptureError, match="plug a microphone in"):
        choose([], "default", None)


def test_without_a_default_the_first_is_taken() -> None:
    assert choose(ALL, "default", None) is BUILT_IN


def test_the_wanted_settings_come_first_and_the_devices_own_last() -> None:
    tried = settings(Input(0, "odd", "ALSA", 4, 37800), Wish(44100, 4, 40))
    assert tried[:3] == [(44100, 4), (44100, 1), (44100, 2)]
    assert tried[-1] == (37800, 2)
    assert len(tried) == len(set(tried))


def test_channels_that_a_device_lacks_are_not_tried() -> None:
    assert {channels for _, channels in settings(USB, Wish(16000, 2, 40))} == {1}


def test_the_first_settings_that_open_are_taken() -> None:
    assert opened(Card({(48000, 2), (44100, 1)})) == (48000, 2)


def test_a_device_that_takes_nothing_says_what_was_tried_and_what_it_answered() -> None:
    with pytest.raises(
        CaptureError, match=r"16000, 48000, 44100.* Hz with 1, 2 channels.*answers: Invalid sample rate"
    ):
        opened(Card(set()))


def test_a_busy_device_is_asked_once() -> None:
    card = Card(set(), "Device unavailable [PaErrorCode -9985]")
    with pytest.raises(CaptureError, match="Device unavailable"):
        opened(card)
    assert len(card.tried) == 1


def packets(backlog: Backlog) -> list[tuple[int, int]]:
    """The first sample and the length of each packet that the backlog holds."""
    written: list[bytes] = []
    backlog.write(written.append, lambda: False)
    found = [HEADER.unpack_from(packet) for packet in written]
    assert all(magic == MAGIC for magic, *_ in found)
    return [(index, samples) for _, samples, index, _ in found]


def test_the_backlog_numbers_samples() -> None:
    backlog = Backlog(block_ms=40)
    for _ in range(3):
        backlog.heard(struct.pack("<2h", 1, 2), 2, False)
    assert packets(backlog) == [(0, 2), (2, 2), (4, 2)]


def test_a_reader_that_does_not_read_costs_the_oldest() -> None:
    backlog = Backlog(block_ms=1000)
    for _ in range(8):
        backlog.heard(b"", 1000, False)
    assert packets(backlog) == [(index, 1000) for index in range(3000, 8000, 1000)]


def test_an_overflow_is_a_gap() -> None:
    backlog = Backlog(block_ms=40)
    backlog.rate = 16000
    backlog.heard(b"", 640, False)
    backlog.heard(b"", 640, True)
    (_, _), (second, _) = packets(backlog)
    assert second > 640
