"""Ending by signal, at any moment: in order where there is something to stop, and honest about it in the status."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # HUP: the terminal was closed; else, to read it all again


@contextmanager
def captured() -> Iterator["Capture"]:
    """Signals are caught inside; one that came is raised again at the end, so that the exit status tells of it."""
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
    """The handler. Until `deliver_to` was called there is nothing to stop, and a signal ends the process at once."""

    def __init__(self) -> None:
        self.caught: int | None = None
        self._stop: Callable[[], None] | None = None
        self._reload: Callable[[], None] | None = None

    def deliver_to(self, stop: Callable[[], None], reload: Callable[[], None] | None = None) -> None:
        """From now on a signal calls `stop`; SIGHUP calls `reload`, if there is no terminal whose end it may mean."""
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
    """Whether we were started to outlive the terminal, by nohup."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


def _has_terminal() -> bool:
    """Whether a terminal controls this process. Asked before it goes: afterwards it cannot be told."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _die_of(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)  # not Python's own handler: its traceback tells nobody anything
    signal.raise_signal(number)
