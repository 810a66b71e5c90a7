"""Reads single keys from the terminal."""

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
    """The terminal on standard input. Without one, or in the background, there are no keys.

    Keys that send signals keep doing so, except ctrl-z: the display must give the terminal back before it stops.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None  # the terminal's settings
        self._waking: tuple[int, int] | None = None  # a pipe that wakes the reader

    def open(self) -> None:
        """Have the terminal deliver keys one by one, without echo."""
        if not self.is_foreground or self._before is not None:
            return
        descriptor = self._terminal()
        before, ours = termios.tcgetattr(descriptor), termios.tcgetattr(descriptor)
        ours[3] &= ~(termios.ICANON | termios.ECHO)
        ours[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(descriptor, termios.TCSADRAIN, ours)
        self._before, self._waking = before, os.pipe()

    @property
    def is_foreground(self) -> bool:
        """Whether standard input is a terminal, and this process in its foreground."""
        try:
            return os.tcgetpgrp(self._terminal()) == os.getpgrp()
        except (OSError, ValueError, AttributeError):  # no terminal, closed, or no standard input at all
            return False

    def keys_pressed(self) -> Iterator[str]:
        """Yield the names of keys, until it is closed or the terminal has gone."""
        while self._waking:
            ready, _, _ = select.select([self._terminal(), self._waking[0]], [], [])
            if self._waking[0] in ready:
                return
            try:
                typed = os.read(self._terminal(), 256)
            except OSError:  # the terminal has gone
                return
            if not typed:
                return
            yield from key_names(typed.decode(errors="replace"))

    def wake(self) -> None:
        """End `keys_pressed`. For any thread."""
        if self._waking:
            os.write(self._waking[1], b"!")

    def close(self) -> None:
        """Restore the terminal's settings. Call it after `keys_pressed` has ended."""
        before, self._before = self._before, None
        if before is None:
            return
        try:
            termios.tcsetattr(self._terminal(), termios.TCSADRAIN, before)
        except termios.error:  # the terminal has gone
            return
        finally:
            for end in self._waking or ():
                os.close(end)
            self._waking = None

    def _terminal(self) -> int:
        return sys.stdin.fileno() if self._descriptor is None else self._descriptor


def key_names(typed: str) -> list[str]:
    """The names of typed keys. An escape sequence without a name is one key, which does nothing."""
    return [NAMES.get(key, key) for key in KEY.findall(typed)]
