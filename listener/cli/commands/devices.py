"""`listener devices`: the inputs of this machine, with the rates that open."""

import argparse

from listener.cli import tables
from listener.daemon.signals import Capture
from listener.sources.devices import InputDevice, inputs


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("--backend", choices=("sounddevice", "pyaudio"), default="sounddevice", help="who to ask")


def main(arguments: argparse.Namespace, capture: Capture) -> int:  # noqa: ARG001
    """Print them; 1 where there is none."""
    found = inputs(arguments.backend)
    if not found:
        print("No input device. Plug a microphone in; in a container pass /dev/snd or the sound server's socket.")
        return 1
    tables.show(("index", "name", "identity", "host", "channels", "rates that open"), map(_row, found))
    return 0


def _row(device: InputDevice) -> tuple[str, ...]:
    rates = " ".join(str(rate) for rate in device.rates) or "none"
    return str(device.index), device.name, device.identity or "its name", device.host_api, str(device.channels), rates
