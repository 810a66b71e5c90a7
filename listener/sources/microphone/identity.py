"""Names of sound cards that do not change: their USB identities and ALSA ids. For the capture process.

PortAudio's index and the numbers in a name such as "USB Audio: - (hw:1,0)" are reassigned whenever a card is added.
https://www.kernel.org/doc/html/latest/sound/designs/procfile.html
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
NUMBERS = re.compile(r" *\((?:plug)?hw:(\d+),(\d+)\)$")


class Card(NamedTuple):
    """The card behind an input, and which of the card's PCM devices the input is. Unknown fields are empty."""

    alsa: str  # its id, as in /proc/asound/cards
    usb: str  # vendor:product
    serial: str
    port: str  # the USB port
    pcm: int

    def spellings(self) -> list[str]:
        """Return the names of the card, the most exact first."""
        exact = (self.serial and f"usb:{self.usb}:{self.serial}", self.port and f"usb:{self.usb}@{self.port}")
        usb = [*exact, f"usb:{self.usb}"] if self.usb else []
        alsa = f"alsa:{self.alsa}" if self.alsa else ""
        which = f",{self.pcm}" if self.pcm else ""
        return [f"{spelling}{which}" for spelling in (*usb, alsa) if spelling]


def card(name: str, root: Path = ROOT) -> Card | None:
    """Return the card behind an input of this PortAudio name, None if there is none, as with a sound server."""
    found = NUMBERS.search(name)
    if not found:
        return None
    number, pcm = int(found[1]), int(found[2])
    folder = root / f"proc/asound/card{number}"
    alsa, usb = _line(folder / "id"), _line(folder / "usbid")
    if not usb:
        return Card(alsa, "", "", "", pcm) if alsa else None
    # A card is an interface of its USB device, which is the folder above.
    device = (root / f"sys/class/sound/card{number}/device").resolve().parent
    port = device.name if (device / "idVendor").exists() else ""
    return Card(alsa, usb, _line(device / "serial"), port, pcm)


def lasting(name: str) -> str:
    """Return the part of a name that does not change with the numbers of the cards."""
    return NUMBERS.sub("", name)


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
