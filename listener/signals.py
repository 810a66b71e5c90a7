"""Ending by signal, at any moment: in order where there is something to stop, and honest about it in the status."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # HUP: the terminal was closed


@contextmanager
def captured() -> Iterator["Capture"]:
    """Signals are caught inside; one that came is raised again at the end, so that the exit status tells of it."""
    capture = Capture()
    before = {number: signal.signal(number, capture) for number in ENDING}
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

    def deliver_to(self, stop: Callable[[], None]) -> None:
        """From now on a signal calls this."""
        self._stop = stop

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._stop is None:
            _die_of(number)
        else:
            self.caught = number
            self._stop()


def _die_of(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)  # not Python's own handler: its traceback tells nobody anything
    signal.raise_signal(number)
