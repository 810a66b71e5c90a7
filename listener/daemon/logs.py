"""The log: on stderr, in the journal with priorities, or at the foot of the live display."""

import faulthandler
import logging
import sys
from collections import deque
from typing import Protocol

from listener.base import paths
from listener.base.text import plain

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
ERRORS_KEPT = 20


class Display(Protocol):
    """A display that shows log lines while it has the terminal."""

    @property
    def is_open(self) -> bool:
        """Return whether an incident is open."""

    def note(self, line: str) -> None:
        """Show a line."""


def set_up(level: str) -> None:
    """Log to stderr, and on a crash or an abort by the watchdog write where each thread was."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Prioritised() if paths.under_journal() else Plain("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    faulthandler.enable()


def show_on(display: Display) -> None:
    """Log to the display while it is open."""
    root = logging.getLogger()
    root.handlers = [_Notes(display, handler) for handler in root.handlers]


class Plain(logging.Formatter):
    """Formats records so that no name in them moves the cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        return "\n".join(map(plain, super().format(record).split("\n")))


class Prioritised(Plain):
    """Prefixes each line with its priority for the journal, as in sd-daemon(3).

    The journal adds the time itself.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record on one line."""
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class _Notes(logging.Handler):
    """Sends log lines to the display while it is open, where stderr would spoil the picture.

    Errors are kept and written to stderr at the end.
    """

    def __init__(self, display: Display, stderr: logging.Handler) -> None:
        super().__init__()
        self._display, self._stderr = display, stderr
        self._kept: deque[logging.LogRecord] = deque(maxlen=ERRORS_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        if not self._display.is_open:
            self._stderr.emit(record)
            return
        self._display.note(plain(record.getMessage()))
        if record.levelno >= logging.ERROR:
            self._kept.append(record)

    def close(self) -> None:
        for record in self._kept:
            self._stderr.emit(record)
        super().close()
