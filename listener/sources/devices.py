"""The microphones of this machine."""

import json
import signal
import subprocess
from dataclasses import dataclass
from typing import Any

from listener.errors import SourceError
from listener.sources.microphone.protocol import ALSA_REMEDY, argv, environment

TIMEOUT_S = 20.0  # a machine with many cards takes seconds; a frozen sound server never answers


@dataclass(frozen=True, slots=True)
class InputDevice:
    """An input as PortAudio lists it now.

    Attributes:
        index: PortAudio's number, which changes when devices come and go.
        name: PortAudio's name, likewise.
        host_api: The sound system behind it, for example ALSA.
        channels: How many it has at most.
        rates: The sample rates at which it opens, in Hz.
        identity: A name that does not change; empty unless it is a sound card of this machine.
    """

    index: int
    name: str
    host_api: str
    channels: int
    rates: tuple[int, ...]
    identity: str = ""


def inputs(backend: str = "sounddevice", timeout_s: float = TIMEOUT_S) -> list[InputDevice]:
    """List the inputs of this machine.

    A new process asks, because PortAudio lists devices only when it is initialised, and prints warnings then.

    Raises:
        SourceError: The library is missing, or the sound system does not answer.
    """
    answer = _asked(timeout_s, f"--backend={backend}", "--list")
    return [
        InputDevice(
            each["number"], each["name"], each["host_api"], each["channels"], tuple(each["rates"]), each["identity"]
        )
        for each in answer["devices"]
    ]


def find(device: str, backend: str = "sounddevice", timeout_s: float = TIMEOUT_S) -> str:
    """Return PortAudio's name of a device that is named as in the configuration.

    Raises:
        SourceError: As for `inputs`, or there is no such device (`source-device`).
    """
    answer = _asked(timeout_s, f"--backend={backend}", f"--device={device}", "--find")
    return str(answer["device"])


def _asked(timeout_s: float, *arguments: str) -> dict[str, Any]:
    """Return the answer of a capture process."""
    try:
        asked = subprocess.run(
            argv(*arguments),
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        answer: dict[str, Any] = json.loads(asked.stdout)
    except subprocess.TimeoutExpired as err:
        raise SourceError(
            f"the sound system did not answer in {timeout_s:.0f} s",
            code="sound-system-silent",
            remedy="If the sound server is frozen: systemctl --user restart pipewire pulseaudio",
        ) from err
    except ValueError as err:
        last = asked.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SourceError(
            f"the sound system failed: {last or f'status {asked.returncode}'}",
            code="sound-system-failed",
            remedy=ALSA_REMEDY if asked.returncode == -signal.SIGABRT else "Check the sound system: arecord -l",
        ) from err
    if "error" in answer:
        raise SourceError(answer["error"], code=answer["code"], remedy=answer["remedy"])
    return answer
