"""Keys come one by one, and the terminal is as it was afterwards."""

import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from listener.tui.keyboard import Keyboard, key_names

pytestmark = pytest.mark.system

PROGRAM = """
import sys
from listener.tui.keyboard import Keyboard
keyboard = Keyboard()
keyboard.open()
print("ready", flush=True)
for key in keyboard.keys_pressed():
    print(repr(key), flush=True)
    if key == "q":
        break
keyboard.close()
"""


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("q", ["q"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOA", ["up"]),
        ("\t+", ["tab", "+"]),
        ("\x1b", ["\x1b"]),
        ("\x1b[31~x", ["\x1b[31~", "x"]),
        ("ü", ["ü"]),
        ("\x1a", ["ctrl-z"]),
    ],
)
def test_keys_have_names(typed: str, keys: list[str]) -> None:
    assert key_names(typed) == keys


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def test_a_key_comes_without_a_line_s_end_and_the_terminal_is_as_it_was(terminal: tuple[int, int]) -> None:
    ours, its = terminal
    before = termios.tcgetattr(its)
    with subprocess.Popen(
        [sys.executable, "-c", f"import os, fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{PROGRAM}"],
        stdin=its, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        os.write(ours, b"\x1b[Bq")
        assert [line.strip() for line in process.stdout] == ["'down'", "'q'"]
    assert process.returncode == 0
    assert termios.tcgetattr(its)[3] == before[3]


def test_where_input_is_no_terminal_no_key_comes() -> None:
    reading, writing = os.pipe()
    keyboard = Keyboard(reading)
    keyboard.open()
    assert list(keyboard.keys_pressed()) == []
    keyboard.close()
    os.close(reading)
    os.close(writing)


def test_a_terminal_that_another_program_has_in_front_is_left_alone(terminal: tuple[int, int]) -> None:
    keyboard = Keyboard(terminal[1])  # it is nobody's, so not ours
    before = termios.tcgetattr(terminal[1])
    keyboard.open()
    assert termios.tcgetattr(terminal[1]) == before
    keyboard.close()
