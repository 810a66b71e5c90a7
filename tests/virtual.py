"""A virtual microphone: a private sound server that PortAudio takes for a sound card."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import soundfile

from listener.types import Pcm

SCRIPT = Path(__file__).parent / "virtual_mic.sh"
DEADLINE_S = 15.0


def eventually(condition: Callable[[], object], what: str, within_s: float = DEADLINE_S) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {within_s} s: {what}"
        time.sleep(0.01)


class VirtualMic:
    """The virtual microphone of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *command: str) -> None:
        """Run one of the script's commands."""
        environment = {**os.environ, "VIRTUAL_MIC_DIR": str(self.folder)}
        # Not captured: the sound server that `start` leaves behind would hold the pipe open.
        subprocess.run([SCRIPT, *command], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def play(self, audio: Pcm, rate: int) -> None:
        """Play samples into it; returns when they were played."""
        path = self.folder / "played.wav"
        soundfile.write(path, audio, rate, subtype="PCM_16")
        self("play", str(path))
