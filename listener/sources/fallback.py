"""A source with a substitute for when it cannot be opened."""

import logging
from collections.abc import Iterator

from listener.errors import SourceError
from listener.pipeline.values import Block
from listener.sources.base import BaseSource, Report

log = logging.getLogger(__name__)


class Fallback(BaseSource):
    """Reads the first source or, if that fails before it delivers audio, the second one.

    Args:
        first: The source that is tried first. Its name and whether it is live are this source's, too.
        second: The substitute.
        detail: What is reported while the substitute is read.

    Attributes:
        is_substituted: Whether the substitute is, or was, read.
    """

    def __init__(self, first: BaseSource, second: BaseSource, detail: str) -> None:
        self.name, self.live, self.substitute_name = first.name, first.live, second.name
        self.silence_timeout_s = first.silence_timeout_s
        self._first, self._second = first, second
        self._detail = detail
        self.is_substituted = False

    def blocks(self, report: Report) -> Iterator[Block]:
        """Read one source or the other."""
        delivered = False
        try:
            for block in self._first.blocks(report):
                delivered = True
                yield block
        except SourceError as err:
            if delivered:
                raise
            log.warning("%s", err)
            self.is_substituted = True
            self.silence_timeout_s = self._second.silence_timeout_s
            yield from self._second.blocks(lambda state, _: report(state, self._detail))

    def on_signal_fault(self) -> None:
        """Pass it on to the first source: the substitute is no microphone."""
        self._first.on_signal_fault()

    def close(self) -> None:
        """Close both sources."""
        self._first.close()
        self._second.close()
