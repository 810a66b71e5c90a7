"""Signals: an orderly stop where there is something to stop, and an exit status that names the signal."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed, or without one, reload


@contextmanager
def captured() -> Iterator["Capture"]:
    """Catch signals inside the block. One that arrived is raised again at the end, for the exit status."""
    capture = Capture()
    before = {number: signal.signal(number, capture) for number in ENDING if not _is_for_another(number)}
    try:
        yield capture
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if capture.caught:
            _die_of(capture.caught)


class Capture:
    """The signal handler. Until `deliver_to` is called, a signal ends the process at once."""

    def __init__(self) -> None:
        self.caught: int | None = None
        self._stop: Callable[[], None] | None = None
        self._reload: Callable[[], None] | None = None

    def deliver_to(self, stop: Callable[[], None], reload: Callable[[], None] | None = None) -> None:
        """Call `stop` on a signal from now on, and `reload` on SIGHUP unless a terminal controls the process."""
        self._stop = stop
        self._reload = None if _has_terminal() else reload

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Handle a signal."""
        if self._stop is None:
            _die_of(number)
        elif number == signal.SIGHUP and self._reload is not None:
            self._reload()
        else:
            self.caught = number
            self._stop()


def _is_for_another(number: int) -> bool:
    """Whether nohup has started us, to outlive the terminal."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


def _has_terminal() -> bool:
    """Whether a terminal controls this process. Afterwards it cannot be found out."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _die_of(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)  # not Python's own handler, which prints a traceback
    signal.raise_signal(number)
