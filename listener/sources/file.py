"""Recordings: whatever libsndfile reads."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from listener.base import paths
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import ConfigError, SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block
from listener.sources.base import BaseSource, Report
from listener.sources.pcm import LEAST_RATE, MOST_RATE, SAMPLE_BYTES, from_floats
from listener.sources.wav import header

log = logging.getLogger(__name__)

BLOCK_S = 1.0
REALTIME_BLOCK_S = 0.04
HEADER_BYTES = 1 << 16
CUT_OFF_S = 0.1  # less is not missing: some programs count the end of a WAV a little wrong


class FileConfig(Section, frozen=True):
    """A recording, from its beginning to its end."""

    name: Annotated[str, Meta(min_length=1, description="what events call it; each source has its own")] = "file"
    path: Annotated[str, Meta(description="the recording: WAV, FLAC, Ogg, MP3 …")] = ""
    realtime: Annotated[bool, Meta(description="at the pace at which it was recorded, else as fast as it goes")] = False
    loop: Annotated[bool, Meta(description="again and again")] = False


class File(BaseSource):
    """A recording, as fast as it is taken or at its own pace."""

    Config = FileConfig

    def __init__(self, config: FileConfig) -> None:
        if not config.path:
            raise ConfigError("path is empty", code="source-path-missing", remedy="Write which recording to read.")
        self.name = config.name
        self._config = config
        self.requirements = Requirements(reads={"path": paths.expanded(config.path)})
        self._closed = threading.Event()

    def close(self) -> None:
        """End `blocks` soon."""
        self._closed.set()

    def blocks(self, report: Report) -> Iterator[Block]:
        """Blocks until the end or `close`. SourceError where the file is no audio that can be read."""
        path = paths.expanded(self._config.path)
        began = time.monotonic()
        start = 0
        report(SourceState.LISTENING, str(path))
        while not self._closed.is_set():
            for block in read_blocks(path, REALTIME_BLOCK_S if self._config.realtime else BLOCK_S):
                placed = Block(start, block.rate, block.pcm)
                start += len(block.pcm)
                if self._config.realtime:
                    self._closed.wait(began + start / block.rate - time.monotonic())
                if self._closed.is_set():
                    return
                yield placed
            if not self._config.loop:
                return


def read_blocks(path: Path, block_s: float = BLOCK_S) -> Iterator[Block]:
    """The blocks of a recording, as fast as they are taken. SourceError, one line, where there is no audio in it."""
    import soundfile  # 20 MB that a daemon with a microphone does not need

    start = 0
    try:
        with _opened(path) as recording:
            rate = recording.samplerate
            while len(samples := recording.read(round(rate * block_s) or 1, dtype="float32", always_2d=True)):
                yield Block(start, rate, from_floats(samples))
                start += len(samples)
    except soundfile.LibsndfileError as err:
        if not start:
            raise SourceError(f"{path}: cannot be decoded ({err.error_string})") from err
        log.warning("%s: damaged after %.1f s (%s); the rest is left out", path, start / rate, err.error_string)
    if not start:
        raise SourceError(f"{path}: holds no audio; it has a header and no samples")
    if (missing_s := _cut_off_s(path)) > CUT_OFF_S:
        why = f"it is cut off: {missing_s:.1f} s that its header promises are not there"
        log.warning("%s: damaged after %.1f s (%s); the rest is left out", path, start / rate, why)


def _opened(path: Path) -> Any:
    """The open soundfile.SoundFile."""
    import soundfile

    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path}: is empty")
        recording = soundfile.SoundFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))  # libsndfile takes UTF-8 names only
    except OSError as err:
        raise SourceError(f"{path}: cannot be read ({err.strerror})") from err
    except soundfile.LibsndfileError as err:
        reason = err.error_string.rstrip(".")
        raise SourceError(f"{path}: is not audio that can be read ({reason}); convert it to WAV or FLAC") from err
    if not LEAST_RATE <= recording.samplerate <= MOST_RATE:
        recording.close()
        raise SourceError(f"{path}: its header declares {recording.samplerate} Hz, which is no audio")
    return recording


def _cut_off_s(path: Path) -> float:
    """How much of a WAV is not in the file, which libsndfile passes over; 0 for another kind, or one it cannot tell."""
    try:
        with path.open("rb") as file:
            found = header(file.read(HEADER_BYTES))
        there = path.stat().st_size
    except (OSError, SourceError):
        return 0.0
    if found is None or found.audio_bytes is None:
        return 0.0
    bytes_a_second = SAMPLE_BYTES[found.format] * found.channels * found.rate
    return max(0, found.begins + found.audio_bytes - there) / bytes_a_second
