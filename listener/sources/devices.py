"""What microphones there are."""

import json
import subprocess
from dataclasses import dataclass

from listener.errors import SourceError
from listener.sources.microphone.protocol import argv, environment

TIMEOUT_S = 20.0  # a machine with many cards takes seconds; a frozen sound server takes for ever


@dataclass(frozen=True, slots=True)
class InputDevice:
    """An input as PortAudio lists it now. `rates` are those at which it opens, Hz.

    `identity` finds it again whatever its index and name are then; empty for what is no card of this machine's.
    """

    index: int
    name: str
    host_api: str
    channels: int
    rates: tuple[int, ...]
    identity: str = ""


def inputs(backend: str = "sounddevice", patience_s: float = TIMEOUT_S) -> list[InputDevice]:
    """The inputs of this machine, looked up anew. SourceError where the library is missing or does not answer.

    A process of its own asks: PortAudio lists devices once, when it is initialised, and is noisy at that.
    """
    command = argv(f"--backend={backend}", "--list")
    try:
        asked = subprocess.run(
            command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=patience_s, check=False
        )
        answer = json.loads(asked.stdout)
    except subprocess.TimeoutExpired as err:
        remedy = "is the sound server frozen? Try: systemctl --user restart pipewire pulseaudio"
        raise SourceError(f"the sound system did not answer in {patience_s:.0f} s; {remedy}") from err
    except ValueError as err:
        last = asked.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SourceError(f"the devices cannot be listed: {last or f'status {asked.returncode}'}") from err
    if "error" in answer:
        raise SourceError(answer["error"])
    return [
        InputDevice(
            each["number"], each["name"], each["host_api"], each["channels"], tuple(each["rates"]), each["identity"]
        )
        for each in answer["devices"]
    ]
