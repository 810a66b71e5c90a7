"""A source, and another one for where the first cannot be had."""

import logging
from collections.abc import Iterator

from listener.errors import SourceError
from listener.pipeline.values import Block, Doubtful, Patient, Report, Source

log = logging.getLogger(__name__)


class Fallback:
    """The first source; or, where it gives an error before any audio, the second one under the same name."""

    def __init__(self, first: Source, second: Source, meaning: str) -> None:
        self.name, self.live = first.name, first.live
        self._first, self._second = first, second
        self._meaning = meaning
        self._playing = first

    @property
    def patience_s(self) -> float:
        """How long the one that plays may be silent."""
        return self._playing.patience_s if isinstance(self._playing, Patient) else 0.0

    def blocks(self, report: Report) -> Iterator[Block]:
        """Blocks of the one, or of the other."""
        heard = False
        try:
            for block in self._first.blocks(report):
                heard = True
                yield block
        except SourceError as err:
            if heard:
                raise
            log.warning("%s", err)
            self._playing = self._second
            yield from self._second.blocks(lambda state, _: report(state, self._meaning))

    def doubt(self) -> None:
        """What the first one gives is hardly what a microphone hears."""
        if isinstance(self._first, Doubtful):
            self._first.doubt()

    def close(self) -> None:
        """End both."""
        self._first.close()
        self._second.close()
