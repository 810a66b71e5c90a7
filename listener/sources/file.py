"""A recording as a source."""

import threading
import time
from collections.abc import Iterator
from typing import Annotated

from listener.base import paths
from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import ConfigError
from listener.messages import SourceState
from listener.pipeline.values import Block
from listener.sources.base import BaseSource, Position, Report, SourceConfig
from listener.sources.pcm import full_scale
from listener.sources.recording import BLOCK_S, read_blocks

REALTIME_BLOCK_S = 0.04


class FileConfig(SourceConfig, frozen=True):
    """A recording, from its beginning to its end."""

    name: Annotated[str, Meta(min_length=1, description="the name in events; each source has its own")] = "file"
    path: Annotated[str, Meta(description="the recording: WAV, FLAC, Ogg, MP3 …")] = ""
    realtime: Annotated[bool, Meta(description="at the speed of the recording; false: as fast as possible")] = False
    loop: Annotated[bool, Meta(description="again and again")] = False


class File(BaseSource):
    """A recording, as fast as possible or at its own speed."""

    Config = FileConfig

    def __init__(self, config: FileConfig) -> None:
        if not config.path:
            raise ConfigError("path is empty", code="source-path-missing", remedy="Write which recording to read.")
        self.name = config.name
        self._config = config
        self._path = paths.expanded(config.path)
        self.requirements = Requirements(reads={"path": self._path})
        self._closed = threading.Event()

    def close(self) -> None:
        """Make `blocks` end soon."""
        self._closed.set()

    def blocks(self, report: Report) -> Iterator[Block]:
        """Yield blocks until the end of the recording, or until `close` if it is repeated.

        Raises:
            SourceError: The recording cannot be read, or not to its end.
        """
        config, position = self._config, Position()
        began = time.monotonic()
        report(SourceState.LISTENING, str(self._path))
        while not self._closed.is_set():
            for block in read_blocks(self._path, REALTIME_BLOCK_S if config.realtime else BLOCK_S):
                pcm = config.prepared(block.pcm)
                start = position.advance(len(pcm), block.rate)
                if config.realtime:
                    self._closed.wait(began + position.seconds - time.monotonic())
                if self._closed.is_set():
                    return
                yield Block(start, block.rate, pcm, full_scale=full_scale(config.gain_db))
            if not config.loop:
                return
