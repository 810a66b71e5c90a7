"""Keys, one by one, as they are pressed."""

import os
import re
import select
import sys
import termios
from collections.abc import Iterator
from typing import Any

KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])?|[^\x1b]", re.DOTALL)
NAMES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\t": "tab",
    "\x0c": "ctrl-l",
    "\x1a": "ctrl-z",
    "\x04": "q",  # the end of the input
}


class Keyboard:
    """The terminal that standard input is. Where it is none, or another's just now, no key ever comes.

    Signals by key stay as they are, but for ctrl-z, which comes as a key: the terminal must be given back first.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None
        self._bell: tuple[int, int] | None = None

    def open(self) -> None:
        if not self.in_front or self._before is not None:
            return
        descriptor = self._terminal()
        before, ours = termios.tcgetattr(descriptor), termios.tcgetattr(descriptor)
        ours[3] &= ~(termios.ICANON | termios.ECHO)
        ours[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(descriptor, termios.TCSADRAIN, ours)
        self._before, self._bell = before, os.pipe()

    @property
    def in_front(self) -> bool:
        """Whether standard input is a terminal, and this the program in its foreground: keys may be another's."""
        try:
            return os.tcgetpgrp(self._terminal()) == os.getpgrp()
        except (OSError, ValueError, AttributeError):  # no terminal, closed, or no standard input at all
            return False

    def strokes(self) -> Iterator[str]:
        """The names of keys, until it is closed or the terminal goes."""
        while self._bell:
            ready, _, _ = select.select([self._terminal(), self._bell[0]], [], [])
            if self._bell[0] in ready:
                return
            try:
                typed = os.read(self._terminal(), 256)
            except OSError:  # it has gone
                return
            if not typed:
                return
            yield from named(typed.decode(errors="replace"))

    def wake(self) -> None:
        """End `strokes`. For any thread."""
        if self._bell:
            os.write(self._bell[1], b"!")

    def close(self) -> None:
        """Give the terminal back as it was. Once nobody reads keys any more."""
        before, self._before = self._before, None
        if before is None:
            return
        try:
            termios.tcsetattr(self._terminal(), termios.TCSADRAIN, before)
        except termios.error:  # it has gone, and nobody needs it as it was
            return
        finally:
            for end in self._bell or ():
                os.close(end)
            self._bell = None

    def _terminal(self) -> int:
        return sys.stdin.fileno() if self._descriptor is None else self._descriptor


def named(typed: str) -> list[str]:
    """The keys that were typed; a sequence that is none of ours is one key that nobody knows."""
    return [NAMES.get(key, key) for key in KEY.findall(typed)]
