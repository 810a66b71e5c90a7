"""A microphone is found again by what stays the same, whatever index and name it then has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from listener.sources.microphone.identity import card, lasting
from listener.sources.microphone.portaudio import CaptureError, Input, choose, identities

Plug = Callable[..., Input]


@pytest.fixture
def plug(tmp_path: Path) -> Plug:
    """Puts a card into a /proc and a /sys of the test's own, and gives the input that PortAudio would list."""

    def plugged(number: int, alsa: str, usb: str = "", *, serial: str = "", port: str = "", name: str = "Mic") -> Input:
        folder = tmp_path / f"proc/asound/card{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "id").write_text(f"{alsa}\n")
        (folder / "usbid").unlink(missing_ok=True)
        if usb:
            (folder / "usbid").write_text(f"{usb}\n")
            device = tmp_path / f"sys/devices/usb1/{port}"
            (device / f"{port}:1.0").mkdir(parents=True, exist_ok=True)
            (device / "idVendor").write_text(usb[:4])
            if serial:
                (device / "serial").write_text(f"{serial}\n")
            link = tmp_path / f"sys/class/sound/card{number}/device"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(device / f"{port}:1.0")
        listed = f"{name}: USB Audio (hw:{number},0)"
        return Input(number, listed, "ALSA", 1, 48000, card(listed, tmp_path))

    return plugged


def test_a_card_has_a_usb_identity_and_an_id(plug: Plug) -> None:
    mic = plug(1, "Device", "0d8c:0014", serial="A7", port="1-1.2")
    assert mic.card
    assert mic.card.spellings() == ["usb:0d8c:0014:A7", "usb:0d8c:0014@1-1.2", "usb:0d8c:0014", "alsa:Device"]


def test_what_is_no_usb_has_its_id(plug: Plug) -> None:
    mic = plug(0, "PCH")
    assert identities([mic], mic) == ["alsa:PCH"]


def test_what_is_no_card_has_its_name() -> None:
    pulse = Input(4, "pulse", "ALSA", 32, 44100, card("pulse"))
    assert identities([pulse], pulse) == ["pulse"]


def test_a_card_of_which_the_kernel_says_nothing_has_its_name_without_numbers(tmp_path: Path) -> None:
    listed = "Mic: USB Audio (hw:1,0)"
    mic = Input(4, listed, "ALSA", 1, 48000, card(listed, tmp_path))
    assert identities([mic], mic) == ["Mic: USB Audio"]
    assert lasting("a (b)") == "a (b)"


def test_another_pcm_of_a_card_is_another_microphone(plug: Plug, tmp_path: Path) -> None:
    plug(0, "PCH")
    listed = "HDA Intel PCH: ALC257 Alt Analog (hw:0,2)"
    other = card(listed, tmp_path)
    assert other
    assert other.spellings() == ["alsa:PCH,2"]


@pytest.mark.parametrize("wanted", ["usb:0d8c:0014", "USB:0D8C:0014:a7", "usb:0d8c:0014@1-1.2", "alsa:Device"])
def test_a_device_is_chosen_by_its_identity(wanted: str, plug: Plug) -> None:
    other, mic = plug(0, "PCH"), plug(1, "Device", "0d8c:0014", serial="A7", port="1-1.2")
    assert choose([other, mic], [wanted], 0) is mic


def test_an_identity_is_not_looked_for_in_names(plug: Plug) -> None:
    with pytest.raises(CaptureError, match="'usb:0d8c'"):
        choose([plug(1, "Device", "0d8c:0014", port="1-1")], ["usb:0d8c"], None)


def test_a_microphone_that_comes_back_under_another_number_is_found(plug: Plug) -> None:
    before = plug(1, "Device", "0d8c:0014", port="1-1", name="Desk")
    remembered = identities([before], before)
    other, back = plug(1, "Camera", "046d:0825", port="1-2", name="Desk"), plug(2, "Device", "0d8c:0014", port="1-3")
    assert choose([other, back], remembered, None) is back


def test_of_two_alike_the_one_at_its_port_is_found_and_the_other_never(plug: Plug) -> None:
    left, right = plug(1, "Device", "0d8c:0014", port="1-1"), plug(2, "Device_1", "0d8c:0014", port="1-2")
    remembered = identities([left, right], left)
    assert remembered == ["usb:0d8c:0014@1-1"]
    with pytest.raises(CaptureError, match="0d8c:0014"):
        choose([right], remembered, None)
    right, left = plug(1, "Device", "0d8c:0014", port="1-2"), plug(2, "Device_1", "0d8c:0014", port="1-1")
    assert choose([right, left], remembered, None) is left


def test_two_alike_with_serial_numbers_may_change_places(plug: Plug) -> None:
    left = plug(1, "Device", "0d8c:0014", serial="A7", port="1-1")
    right = plug(2, "Device_1", "0d8c:0014", serial="B8", port="1-2")
    remembered = identities([left, right], left)
    assert remembered == ["usb:0d8c:0014:A7"]
    right = plug(1, "Device", "0d8c:0014", serial="B8", port="1-1")
    left = plug(2, "Device_1", "0d8c:0014", serial="A7", port="1-2")
    assert choose([right, left], remembered, None) is left


def test_one_that_was_alone_is_found_at_another_port_and_beside_a_twin(plug: Plug) -> None:
    mic = plug(1, "Device", "0d8c:0014", port="1-1")
    remembered = identities([mic], mic)
    assert remembered == ["usb:0d8c:0014@1-1", "usb:0d8c:0014"]
    moved = plug(1, "Device", "0d8c:0014", port="1-4")
    assert choose([moved], remembered, None) is moved
    mic, twin = plug(1, "Device", "0d8c:0014", port="1-1"), plug(2, "Device_1", "0d8c:0014", port="1-2")
    assert choose([mic, twin], remembered, None) is mic


def test_two_alike_asked_for_by_what_they_share_are_listed(plug: Plug) -> None:
    both = [plug(1, "Device", "0d8c:0014", port="1-1"), plug(2, "Device_1", "0d8c:0014", port="1-2")]
    with pytest.raises(CaptureError, match=r"'usb:0d8c:0014': 1 .*; 2 "):
        choose(both, ["usb:0d8c:0014"], None)
