"""A real terminal for tests: a window of tmux, in which a program runs and keys are pressed."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.waiting import eventually

PATIENCE_S = 60.0  # programs start slowly on a machine that is busy with something else


class Window:
    """A window of its own tmux server, to be closed."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        if not shutil.which("tmux"):
            pytest.skip("no tmux on this machine (scripts/system-packages.sh tmux)")
        self._socket = folder / "tmux"
        self._size = ["-x", str(width), "-y", str(height)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, command: Sequence[str], **variables: str) -> None:
        """Run a program in it, and show its exit status at the end."""
        environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        # The size of the terminal that runs the tests is not this window's.
        line = f"env -u COLUMNS -u LINES {environment} {shlex.join(command)}; echo status $?; exec sleep 1000"
        (self._socket.parent / "tmux.conf").write_text("set -g default-terminal tmux-256color\n")
        self._tmux("-f", str(self._socket.parent / "tmux.conf"), "new-session", "-d", *self._size, line)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names, such as `q`, `Down` or `Space`."""
        self._tmux("send-keys", *keys)

    def type(self, line: str) -> None:
        """Type a text and the return key."""
        self._tmux("send-keys", "-l", line)
        self.press("Enter")

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def lines(self, *flags: str) -> list[str]:
        """The text in the window; with `-e` also its colours."""
        return self._tmux("capture-pane", "-p", *flags).split("\n")[:-1]

    def shows(self, *words: str, within_s: float = PATIENCE_S) -> None:
        """Wait until all of these are in the window."""
        eventually(lambda: all(word in self.text() for word in words), _Shown(words, self), within_s)

    def hides(self, word: str, within_s: float = PATIENCE_S) -> None:
        """Wait until this is no longer in the window."""
        eventually(lambda: word not in self.text(), _Shown([f"not {word}"], self), within_s)

    def text(self) -> str:
        return "\n".join(self.lines())

    @property
    def pid(self) -> int:
        """The process of the shell in it."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    @property
    def cursor(self) -> bool:
        """Whether the cursor is visible."""
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def close(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], check=False, stderr=subprocess.DEVNULL)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        environment = dict(os.environ) | {"LC_ALL": "C.UTF-8"}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=30).stdout


class _Shown:
    """The message of a timeout; the window is read only when it is needed."""

    def __init__(self, words: Sequence[str], window: Window) -> None:
        self._words, self._window = words, window

    def __str__(self) -> str:
        return f"{', '.join(self._words)} in\n{self._window.text()}"
