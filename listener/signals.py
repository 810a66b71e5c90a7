"""Ending by signal, at any moment: asked for politely, then honest about it in the exit status."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal asked the program to end before there was anything to stop in order."""


@contextmanager
def captured() -> Iterator["Capture"]:
    """Signals are caught inside; one that came is raised again at the end, so that the exit status tells of it."""
    capture = Capture()
    before = {number: signal.signal(number, capture) for number in ENDING}
    try:
        yield capture
    except Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if capture.caught:
        signal.signal(capture.caught, signal.SIG_DFL)  # not Python's own: a traceback tells nobody anything
        signal.raise_signal(capture.caught)


class Capture:
    """The handler: until `deliver_to` was called a signal raises `Stopped`, afterwards it calls that."""

    def __init__(self) -> None:
        self.caught: int | None = None
        self._stop: Callable[[], None] | None = None

    def deliver_to(self, stop: Callable[[], None]) -> None:
        """From now on a signal calls this."""
        self._stop = stop
        if self.caught:
            stop()

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.caught = number
        if self._stop is None:
            raise Stopped
        self._stop()
