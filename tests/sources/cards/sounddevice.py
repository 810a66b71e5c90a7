"""Stands in for sounddevice in a capture process: its cards are the lines of a file, which the test may change.

A card whose line ends in "busy" does not open, and one that is in the file no more stops.
"""

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BLOCK_S = 0.16


class PortAudioError(Exception):
    """As sounddevice's."""


default = SimpleNamespace(device=(0, 0))


def cards() -> list[str]:
    return Path(os.environ["CARDS"]).read_text().splitlines()


def query_hostapis() -> list[dict[str, str]]:
    return [{"name": "ALSA"}]


def query_devices() -> list[dict[str, Any]]:
    return [
        {"index": index, "name": name.removesuffix(" busy"), "hostapi": 0, "max_input_channels": 1}
        for index, name in enumerate(cards())
    ]


class RawInputStream:
    """Gives silence as long as its card is there."""

    def __init__(self, _rate: int, block: int, device: int, *_: object, callback: Any, **__: object) -> None:
        self._card = cards()[device]
        if self._card.endswith("busy"):
            raise PortAudioError("Error opening RawInputStream: Device unavailable [PaErrorCode -9985]")
        self._callback, self._block = callback, block

    @property
    def active(self) -> bool:
        return self._card in cards()

    def start(self) -> None:
        threading.Thread(target=self._give, daemon=True).start()

    def _give(self) -> None:
        tick = threading.Event()
        while not tick.wait(BLOCK_S):
            self._callback(bytes(2 * self._block), self._block, None, SimpleNamespace(input_overflow=False))
