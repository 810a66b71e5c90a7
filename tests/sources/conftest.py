"""Reading sources in threads, as the daemon does."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from listener.messages import SourceState
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource
from tests.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]


class Listening:
    """A source being read by a thread of its own."""

    def __init__(self, source: BaseSource) -> None:
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
def listen() -> Iterator[Callable[[BaseSource], Listening]]:
    """Reads sources in threads, and closes them at the end."""
    begun: list[Listening] = []

    def listening(source: BaseSource) -> Listening:
        begun.append(Listening(source))
        return begun[-1]

    yield listening
    for each in begun:
        each.close()


@contextmanager
def reading() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that reads the default microphone, and has heard something."""
    script = (
        "from listener.sources.microphone.source import Microphone, MicrophoneConfig\n"
        "for block in Microphone(MicrophoneConfig()).blocks(print): print('block', flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=REPOSITORY) as reader:
        assert reader.stdout
        while reader.stdout.readline() != b"block\n":
            pass
        yield reader
