"""A real terminal for tests: a window of tmux, in which a program runs, keys are pressed and what it shows is read."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.waiting import eventually

PATIENCE_S = 60.0  # programs start slowly on a machine that is busy with something else


class Window:
    """A window of a tmux server of its own."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        if not shutil.which("tmux"):
            pytest.skip("no tmux on this machine (scripts/system-packages.sh tmux)")
        self._socket = folder / "tmux"
        self._size = ["-x", str(width), "-y", str(height)]

    def start(self, command: Sequence[str], **variables: str) -> None:
        """Run a program in it; afterwards its exit status is shown, and the window stays."""
        environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        # Who runs the tests may have told its children of a size of its own.
        line = f"env -u COLUMNS -u LINES {environment} {shlex.join(command)}; echo status $?; exec sleep 1000"
        (self._socket.parent / "tmux.conf").write_text("set -g default-terminal tmux-256color\n")
        self._tmux("-f", str(self._socket.parent / "tmux.conf"), "new-session", "-d", *self._size, line)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names, as `q`, `Down`, `Space`."""
        self._tmux("send-keys", *keys)

    def type(self, line: str) -> None:
        """Text, as it stands, and the return key."""
        self._tmux("send-keys", "-l", line)
        self.press("Enter")

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def lines(self, *flags: str) -> list[str]:
        """What is to be read; with `-e` its colours too."""
        return self._tmux("capture-pane", "-p", *flags).split("\n")[:-1]

    def shows(self, *words: str, within_s: float = PATIENCE_S) -> None:
        """Wait until all of them are to be read."""
        eventually(lambda: all(word in self.text() for word in words), _Shown(words, self), within_s)

    def hides(self, word: str, within_s: float = PATIENCE_S) -> None:
        """Wait until it is no longer to be read."""
        eventually(lambda: word not in self.text(), _Shown([f"not {word}"], self), within_s)

    def text(self) -> str:
        return "\n".join(self.lines())

    @property
    def pid(self) -> int:
        """The shell in it."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    @property
    def cursor(self) -> bool:
        """Whether the cursor is to be seen."""
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def alternate(self) -> bool:
        """Whether it is the terminal's other screen that shows."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def close(self) -> None:
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], check=False, stderr=subprocess.DEVNULL)

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        environment = dict(os.environ) | {"LC_ALL": "C.UTF-8"}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=30).stdout


class _Shown:
    """What was waited for and what was there instead, looked up only where it is said."""

    def __init__(self, words: Sequence[str], window: Window) -> None:
        self._words, self._window = words, window

    def __str__(self) -> str:
        return f"{', '.join(self._words)} in\n{self._window.text()}"
