"""How long it takes until a microphone that is back is heard again, and what each time leaves behind."""

import time
from collections.abc import Iterator

from soak.plan import SoakError
from soak.rows import Row
from soak.running import Running, Watcher, until
from soak.vitals import Vitals, growth_row, taken

MOST_S = 10.0
PATIENCE_S = 60.0  # beyond the promise, so that a late recovery is told from none
FRESH_S = 0.3  # of audio: more than what waited in pipes when it went away


class Recoveries:
    """Counts them."""

    def __init__(
        self, name: str, daemon: Running, watcher: Watcher, source: str, patience_s: float = PATIENCE_S
    ) -> None:
        self._patience_s = patience_s
        self._name, self._daemon, self._watcher, self._source = name, daemon, watcher, source
        self._took_s: list[float] = []
        self._vitals: list[Vitals] = []

    def wait(self) -> None:
        """Until the source is heard again. What is late is noted, and what never comes ends the part."""
        before_s = self._watcher.heard_s(self._source)
        began = time.monotonic()
        until(
            lambda: self._hears(before_s),
            f"{self._source} is heard again (time {len(self._took_s) + 1})",
            self._patience_s,
        )
        self._took_s.append(time.monotonic() - began)
        self._vitals.append(taken(self._daemon.pid, len(self._vitals)))

    def rows(self) -> Iterator[Row]:
        """What there is to say in the end."""
        worst, count = max(self._took_s), len(self._took_s)
        mean = sum(self._took_s) / count
        seen = f"{count} recoveries, mean {mean:.1f} s, worst {worst:.1f} s"
        yield Row(f"{self._name}: heard again", f"each < {MOST_S:g} s", seen, worst < MOST_S)
        yield growth_row(self._name, self._vitals)
        yield clean_row(self._name, self._daemon)

    def _hears(self, before_s: float) -> bool:
        if self._watcher.ended:
            raise SoakError(f"the daemon's socket closed; {self._daemon.said[-300:]}")
        source = self._watcher.source(self._source)
        return source is not None and source.state == "listening" and source.heard_s > before_s + FRESH_S


def clean_row(name: str, daemon: Running) -> Row:
    """Whether its log is what a person can read: no traceback, and not a line for each mishap."""
    said = daemon.said
    lines, tracebacks = len(said.splitlines()), said.count("Traceback")
    return Row(f"{name}: the log", "no traceback", f"{lines} lines, {tracebacks} tracebacks", tracebacks == 0)
