"""`listener devices`: list the audio inputs of this machine."""

import click

from listener.cli import tables
from listener.errors import SourceError
from listener.sources.devices import InputDevice, inputs


@click.command()
@click.option(
    "--backend",
    type=click.Choice(["sounddevice", "pyaudio"]),
    default="sounddevice",
    help="The library that lists them.",
)
def command(backend: str) -> int:
    """List the audio inputs of this machine, with the sample rates that open.

    The exit status is 1 if there is none.
    """
    found = inputs(backend)
    if not found:
        raise SourceError(
            "there is no input device",
            code="cli-no-device",
            remedy="Plug in a microphone. In a container, pass /dev/snd or the socket of the sound server.",
        )
    tables.show(("index", "name", "identity", "host", "channels", "rates that open"), map(_row, found))
    return 0


def _row(device: InputDevice) -> tuple[str, ...]:
    rates = " ".join(str(rate) for rate in device.rates) or "none"
    return str(device.index), device.name, device.identity or "its name", device.host_api, str(device.channels), rates
