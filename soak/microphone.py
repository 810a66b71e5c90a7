"""A virtual microphone that can fail: tests/virtual_mic.sh with a room that is never digitally silent."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import processes, sounds
from soak.plan import SkippedError
from tests.virtual import VirtualMic

RATE = 48_000
NAME = "microphone"
CONFIG = f'[[source]]\nkind = "microphone"\nname = "{NAME}"\nwait = true\n'


class Microphone(VirtualMic):
    """The virtual microphone and the player of its room noise."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._player: subprocess.Popen[bytes] | None = None
        self._room = folder.with_suffix(".wav")

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for a program that uses the microphone."""
        lines = (self.folder / "env").read_text().splitlines()
        pairs = (line.removeprefix("export ").partition("=") for line in lines)
        return {name: value.strip("'") for name, _, value in pairs}

    def hear(self, path: Path | None = None) -> None:
        """Start playing a recording, or ten minutes of a quiet room."""
        self.hush()
        self._player = subprocess.Popen(
            ["paplay", "--device=virtual_mic", str(path or self._quiet_room())],
            env=processes.environment(**self.variables),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def hush(self) -> None:
        """Stop the player."""
        if self._player is not None:
            self._player.kill()
            self._player.wait()
            self._player = None

    def _quiet_room(self) -> Path:
        if not self._room.exists():
            sounds.write(self._room, sounds.room_noise(600, RATE), RATE)
        return self._room


@contextmanager
def microphone(folder: Path) -> Iterator[Microphone]:
    """Provide a microphone for the block. Raises SkippedError if the machine cannot."""
    own = Microphone(folder)
    try:
        own("start")
    except (OSError, subprocess.SubprocessError) as err:
        raise SkippedError(f"no virtual microphone: {err}") from err
    try:
        own.hear()
        yield own
    finally:
        own.hush()
        own("stop")
