"""How soon a returned microphone is used again, and what each failure leaves behind."""

import time
from collections.abc import Iterator

from soak.plan import SoakError
from soak.rows import Row
from soak.running import Running, Watcher, until
from soak.vitals import Vitals, growth_row, taken

MOST_S = 10.0
PATIENCE_S = 60.0  # longer than promised, to distinguish late from never
FRESH_S = 0.3  # of audio: more than the pipes held when it disappeared


class Recoveries:
    """Counts recoveries."""

    def __init__(
        self, name: str, daemon: Running, watcher: Watcher, source: str, patience_s: float = PATIENCE_S
    ) -> None:
        self._patience_s = patience_s
        self._name, self._daemon, self._watcher, self._source = name, daemon, watcher, source
        self._took_s: list[float] = []
        self._vitals: list[Vitals] = []

    def wait(self) -> None:
        """Wait until the source delivers audio. Note late recoveries; raise SoakError if there is none."""
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
        """Return the final rows."""
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
    """Whether the log is readable: no traceback, and fewer lines than failures."""
    said = daemon.said
    lines, tracebacks = len(said.splitlines()), said.count("Traceback")
    return Row(f"{name}: the log", "no traceback", f"{lines} lines, {tracebacks} tracebacks", tracebacks == 0)
