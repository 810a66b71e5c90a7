"""A virtual microphone: a private sound server that PortAudio takes for a sound card."""

import os
import subprocess
from pathlib import Path

import soundfile

from listener.pipeline.values import Pcm

SCRIPT = Path(__file__).parent / "virtual_mic.sh"
# Far enough ahead that a player which waits its turn on a busy machine leaves no hole in the sound.
PLAYED_AHEAD_MS = 1000


class VirtualMic:
    """The virtual microphone of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._variables = {"VIRTUAL_MIC_DIR": str(folder), "VIRTUAL_MIC_LATENCY_MS": str(PLAYED_AHEAD_MS)}

    def __call__(self, *command: str) -> None:
        """Run one of the script's commands."""
        environment = {**os.environ, **self._variables}
        # Not captured: the sound server that `start` leaves behind would hold the pipe open.
        subprocess.run([SCRIPT, *command], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def play(self, audio: Pcm, rate: int) -> None:
        """Play samples into it; returns when they were played."""
        path = self.folder / "played.wav"
        soundfile.write(path, audio, rate, subtype="PCM_16")
        self("play", str(path))
