"""The display: it draws what it is told, keys steer it, and the terminal is given back."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn

import pytest
from rich.console import Console

from listener.errors import OutputClosed, SinkError
from listener.messages import Command, Hello
from listener.routing.controls import Controls
from listener.tui.canvas import Canvas
from listener.tui.display import LiveDisplay
from listener.tui.keyboard import Keyboard
from listener.tui.lines import Line
from listener.tuning.save_result import SaveResult
from tests.sinks.messages import HELLO, event, level, status
from tests.tui.scenes import spectrum
from tests.waiting import eventually


class FakeCanvas(Canvas):
    """Keeps the last picture."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO(), force_terminal=True, color_system="256", width=80, height=24))
        self.shown = ""

    def paint(self, lines: list[Line]) -> None:
        self.shown = "\n".join("".join(piece for piece, _ in line) for line in lines)

    def shows(self, words: str) -> None:
        """Wait until it does."""
        eventually(lambda: words in self.shown, f"{words!r} in {self.shown}")


class FakeKeyboard(Keyboard):
    """Keys that a test presses."""

    def __init__(self) -> None:
        super().__init__(-1)
        self._pressed: SimpleQueue[str | None] = SimpleQueue()

    def press(self, *keys: str) -> None:
        for key in keys:
            self._pressed.put(key)

    def keys_pressed(self) -> Iterator[str]:
        while key := self._pressed.get():
            yield key

    def wake(self) -> None:
        self._pressed.put(None)


@pytest.fixture
def canvas() -> FakeCanvas:
    return FakeCanvas()


@pytest.fixture
def keyboard() -> FakeKeyboard:
    return FakeKeyboard()


@pytest.fixture
def display(canvas: FakeCanvas, keyboard: FakeKeyboard) -> Iterator[LiveDisplay]:
    shown = LiveDisplay(HELLO, canvas=canvas, keyboard=keyboard)
    shown.open()
    yield shown
    shown.close()


def test_messages_are_drawn(display: LiveDisplay, canvas: FakeCanvas) -> None:
    display.on_spectrum(spectrum())
    display.show(level())
    display.show(status())
    display.emit(event())
    canvas.shows("dog_bark             peak 0.97")
    canvas.shows("▀")
    canvas.shows("-30 dBFS")


def test_a_paused_picture_stands_and_catches_up(
    display: LiveDisplay, canvas: FakeCanvas, keyboard: FakeKeyboard
) -> None:
    keyboard.press("p")
    canvas.shows("paused")
    display.emit(event(1, label="siren"))
    display.note("siren!")
    canvas.shows("siren!")
    assert "peak" not in canvas.shown
    keyboard.press("p")
    canvas.shows("siren                peak 0.97")


def test_keys_change_what_the_daemon_does(display: LiveDisplay, canvas: FakeCanvas, keyboard: FakeKeyboard) -> None:
    controls = Controls(HELLO.labels, {}, HELLO.sources)
    display.set_controls(controls)
    keyboard.press("down", "+", "m")
    canvas.shows("from 0.55*")
    canvas.shows("muted")
    assert controls.state().thresholds == {"dog_bark": 0.55}
    assert list(controls.state().snoozed) == ["kitchen"]


def test_a_change_by_another_client_is_shown(display: LiveDisplay, canvas: FakeCanvas) -> None:
    controls = Controls(HELLO.labels, {}, HELLO.sources)
    display.set_controls(controls)
    controls.execute(Command(command="threshold", what="rain", on=0.25))
    canvas.shows("from 0.25*")


def test_a_failed_command_is_shown(canvas: FakeCanvas, keyboard: FakeKeyboard) -> None:
    def refuse(_command: Command) -> None:
        raise SinkError("no daemon here")

    display = LiveDisplay(HELLO, canvas=canvas, keyboard=keyboard, execute=refuse)
    display.open()
    keyboard.press("m")
    canvas.shows("no daemon here")
    display.close()


def test_w_saves_changed_thresholds_and_shows_where(canvas: FakeCanvas, keyboard: FakeKeyboard) -> None:
    def save(hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
        return SaveResult({label: {"on": on} for label, on in thresholds.items()}, Path("/etc") / hello.model)

    display = LiveDisplay(HELLO, canvas=canvas, keyboard=keyboard, save=save)
    display.set_controls(Controls(HELLO.labels, {}, HELLO.sources))
    display.open()
    keyboard.press("down", "+", "w")
    canvas.shows("/etc/tiny")
    assert "on = 0.55" in canvas.shown
    keyboard.press("x")
    canvas.shows("from 0.55*")
    display.close()


def test_the_lines_to_add_are_shown_if_nothing_can_be_saved(
    display: LiveDisplay, canvas: FakeCanvas, keyboard: FakeKeyboard
) -> None:
    display.set_controls(Controls(HELLO.labels, {}, HELLO.sources))
    keyboard.press("down", "+", "w")
    canvas.shows("on = 0.55")
    assert "[labels.dog_bark]" in canvas.shown


def test_q_quits(canvas: FakeCanvas, keyboard: FakeKeyboard) -> None:
    quits: list[bool] = []
    display = LiveDisplay(HELLO, canvas=canvas, keyboard=keyboard, quit=lambda: quits.append(True))
    display.open()
    keyboard.press("q")
    eventually(lambda: quits, "the end")
    display.close()


def test_the_terminal_is_given_back_and_closing_twice_is_fine() -> None:
    out = io.StringIO()
    display = LiveDisplay(HELLO, canvas=Canvas(Console(file=out, force_terminal=True, width=80, height=24)))
    display.open()
    display.open()
    display.emit(event())
    display.show(level())
    display.close()
    display.close()
    assert "\x1b[?1049h" in out.getvalue()
    assert out.getvalue().rindex("\x1b[?1049l") > out.getvalue().rindex("\x1b[?1049h")
    assert "\x1b[?25h" in out.getvalue()  # the cursor is shown again


def test_a_terminal_that_has_gone_is_an_end_of_its_own_kind() -> None:
    class Gone(io.StringIO):
        lost = False

        def write(self, text: str) -> int:
            if self.lost:
                raise OSError(5, "Input/output error")
            return super().write(text)

    out = Gone()
    display = LiveDisplay(HELLO, canvas=Canvas(Console(file=out, force_terminal=True, width=80, height=24)))
    display.open()
    out.lost = True
    with pytest.raises(OutputClosed) as raised:
        emit_for_ever(display)
    assert raised.value.code == "display-gone"
    display.close()


def emit_for_ever(display: LiveDisplay) -> NoReturn:
    while True:
        display.emit(event())


def test_an_exception_gives_the_terminal_back_too() -> None:
    program = """
from listener.tui.display import LiveDisplay
from tests.sinks.messages import HELLO
LiveDisplay(HELLO).open()
raise SystemExit(3)
"""
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], stdout=slave, stderr=slave, stdin=slave) as process:
        os.close(slave)
        seen = b""
        try:
            while more := os.read(master, 65536):
                seen += more
        except OSError:  # how Linux says that the other side of a terminal has gone
            os.close(master)
        assert process.wait(10) == 3
    assert seen.rindex(b"\x1b[?1049l") > seen.rindex(b"\x1b[?1049h")
