"""A virtual microphone: a private sound server that PortAudio takes for a sound card."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.types import Block, Pcm, Source, SourceState

SCRIPT = Path(__file__).parent.parent / "virtual_mic.sh"
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


class Listening:
    """A source being read by a thread of its own."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.blocks: list[Block] = []
        self.reports: list[tuple[SourceState, str]] = []
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for block in self.source.blocks(lambda state, detail: self.reports.append((state, detail))):
                self.blocks.append(block)
        except Exception as err:  # noqa: BLE001 - the test looks at it
            self.error = err

    @property
    def states(self) -> list[SourceState]:
        return [state for state, _ in self.reports]

    def heard(self, more: int = 5) -> None:
        """Wait for some more blocks."""
        wanted = len(self.blocks) + more
        eventually(lambda: len(self.blocks) >= wanted or self.error, f"{more} more blocks; {self.reports}")
        assert self.error is None

    def recovers(self, times: int = 1) -> None:
        """Wait until it listens again, and hears."""
        eventually(lambda: self.states.count(SourceState.LISTENING) > times, f"listening again; {self.reports}")
        self.heard(1)

    def gaps_s(self) -> list[float]:
        """The lengths of the gaps in the stream."""
        ends = [block.start + len(block.pcm) for block in self.blocks]
        return [
            (later.start - end) / later.rate
            for end, later in zip(ends, self.blocks[1:], strict=False)
            if later.start != end
        ]

    def audio(self) -> Pcm:
        return np.concatenate([block.pcm[:, 0] for block in self.blocks])

    def close(self) -> float:
        """Close it; how long that took."""
        began = time.monotonic()
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive()
        return time.monotonic() - began


@pytest.fixture
def listen() -> Iterator[Callable[[Source], Listening]]:
    """Reads sources in threads, and closes them at the end."""
    begun: list[Listening] = []

    def listening(source: Source) -> Listening:
        begun.append(Listening(source))
        return begun[-1]

    yield listening
    for each in begun:
        each.close()


@pytest.fixture
def virtual_mic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualMic]:
    """A microphone of this test's own, which PortAudio finds by the environment."""
    if not shutil.which("apt-get") and not shutil.which("pulseaudio"):
        pytest.skip("no pulseaudio on this machine: nothing to make a virtual microphone of")
    mic = VirtualMic(tmp_path / "mic")
    mic("start")
    for line in (mic.folder / "env").read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value.strip("'"))
    yield mic
    mic("stop")
