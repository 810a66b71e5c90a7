"""The display: what the scene shows at any size, and a terminal that is given back."""

import io
import os
import pty
import subprocess
import sys
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from listener.display import Display
from listener.errors import OutputClosed
from listener.screen import ASCII, Scene, draw
from tests.sinks.messages import HELLO, event, level, status


def busy() -> Scene:
    """Something of everything."""
    scene = Scene(HELLO).after(level()).after(status(lost_s=1.3))
    return scene.after(event(1, label="siren", phase="end", end_s=15.7)).after(event(2)).noting("lost 1.3 s of audio")


def rows(scene: Scene, width: int = 80, height: int = 24) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in draw(scene, width, height)]


def row(scene: Scene, word: str) -> str:
    return next(line for line in rows(scene) if word in line)


def test_the_source_shows_its_state_gate_and_duty() -> None:
    title = row(busy(), "listening")
    assert "kitchen" in title
    assert "gate open" in title
    assert "12 % of time" in title


def test_a_source_in_trouble_says_what_it_is() -> None:
    scene = Scene(HELLO).after(status(state="recovering", detail="the microphone is gone"))
    assert "recovering: the microphone is gone" in row(scene, "kitchen")


def test_a_source_that_listens_to_nothing_says_so() -> None:
    scene = Scene(HELLO).after(status(detail="USB, 48000 Hz", trouble="only digital silence for 10 s"))
    assert "listening: only digital silence for 10 s" in row(scene, "kitchen")


def test_the_meter_shows_level_and_floor() -> None:
    meter = row(busy(), "dBFS")
    assert "-30 dBFS, floor -60" in meter
    assert 0 < meter.index("┃") < meter.index("░")


def test_a_label_over_its_threshold_reaches_past_the_mark() -> None:
    assert "█┃█" in row(busy(), "0.90")
    assert "░┃░" in row(busy(), "0.20")


def test_lost_audio_and_processing_time_are_shown() -> None:
    counters = row(busy(), "heard")
    assert "4.2 ms each" in counters
    assert "lost 1.3 s" in counters


def test_an_event_under_way_grows_until_its_end() -> None:
    scene = Scene(HELLO).after(level(at_s=20.0)).after(event(1))
    assert "7.5 s ···" in row(scene, "peak")
    assert "3.2 s    " in row(scene.after(event(1, phase="end", seq=1, end_s=15.7)), "peak")


def test_the_newest_event_stands_first_and_old_ones_are_forgotten() -> None:
    scene = Scene(HELLO)
    for number in range(500):
        scene = scene.after(event(number, peak=number / 1000))
    assert "peak 0.50" in row(scene, "peak")
    assert len(scene.events) == 100


def test_the_log_line_stands_at_the_foot() -> None:
    assert rows(busy())[23] == "lost 1.3 s of audio"


def test_two_sources_stand_side_by_side_where_there_is_room() -> None:
    scene = busy().after(level(source="garden"))
    assert any("kitchen" in line and "garden" in line for line in rows(scene, 120, 40))
    assert not any("kitchen" in line and "garden" in line for line in rows(scene, 80, 24)[:8])


def test_a_name_cannot_move_the_cursor() -> None:
    assert "\x1b" not in "".join(rows(busy().after(event(3, source="\x1b[2J")).noting("\x1b[2J")))


@settings(max_examples=50)
@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 9))
def test_it_fits_into_any_window(width: int, height: int, sources: int) -> None:
    scene = busy()
    for number in range(sources):
        scene = scene.after(level(source=f"room {number}"))
    lines = draw(scene, width, height, ASCII)
    assert len(lines) <= height
    assert all(sum(len(piece) for piece, _ in line) <= width for line in lines)


def test_the_terminal_is_given_back_and_closing_twice_is_fine() -> None:
    out = io.StringIO()
    display = Display(HELLO, Console(file=out, force_terminal=True, width=80, height=24))
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
    display = Display(HELLO, Console(file=out, force_terminal=True, width=80, height=24))
    display.open()
    out.lost = True
    with pytest.raises(OutputClosed, match="terminal has gone"):
        emit_for_ever(display)
    display.close()


def emit_for_ever(display: Display) -> NoReturn:
    while True:
        display.emit(event())


def test_an_exception_gives_the_terminal_back_too() -> None:
    program = """
from listener.display import Display
from tests.sinks.messages import HELLO
Display(HELLO).open()
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
