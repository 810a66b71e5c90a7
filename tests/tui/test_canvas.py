"""Painting: only what changed is written, in the colours that there are, and the terminal is given back."""

import io

import pytest
from rich.console import Console

from listener.tui.canvas import ENTER, LEAVE, Canvas
from listener.tui.lines import Line


def canvas(system: str = "truecolor", width: int = 20, **changes: object) -> tuple[Canvas, io.StringIO]:
    out = io.StringIO()
    plain = {"file": out, "force_terminal": True, "width": width, "height": 3, "color_system": system, "_environ": {}}
    return Canvas(Console(**plain | changes)), out


def written(painter: Canvas, out: io.StringIO, lines: list[Line]) -> str:
    out.seek(0)
    out.truncate()
    painter.paint(lines)
    return out.getvalue()


def test_only_lines_that_changed_are_written() -> None:
    painter, out = canvas()
    written(painter, out, [[("one", "")], [("two", "")]])
    again = written(painter, out, [[("one", "")], [("three", "")]])
    assert "three" in again
    assert "one" not in again


def test_a_picture_that_stays_the_same_writes_nothing() -> None:
    painter, out = canvas()
    written(painter, out, [[("one", "")]])
    assert written(painter, out, [[("one", "")]]) == ""


def test_all_is_painted_again_when_something_else_may_have_written() -> None:
    painter, out = canvas()
    written(painter, out, [[("one", "")]])
    painter.forget()
    assert "one" in written(painter, out, [[("one", "")]])


def test_a_full_line_is_not_erased_behind_for_that_would_take_its_last_cell() -> None:
    painter, out = canvas(width=4)
    assert "\x1b[K" not in written(painter, out, [[("four", "")]] * 3)
    assert "two\x1b[K" in written(painter, out, [[("two", "")]] * 3)


def test_a_line_that_wide_characters_fill_is_full() -> None:
    painter, out = canvas(width=4)
    assert "\x1b[K" not in written(painter, out, [[("日本", "")]] * 3)
    assert "日\x1b[K" in written(painter, out, [[("日", "")]] * 3)


def test_colours_are_those_that_the_terminal_has() -> None:
    line: Line = [("x", "#ff8000 on #000000")]
    painter, out = canvas("truecolor")
    assert "38;2;255;128;0;48;2;0;0;0m" in written(painter, out, [line])
    painter, out = canvas("256")
    assert "38;5;208;48;5;16m" in written(painter, out, [line])


@pytest.mark.parametrize(
    ("system", "colours"), [("truecolor", True), ("256", True), ("standard", False), (None, False)]
)
def test_the_picture_needs_more_than_sixteen_colours(system: str, colours: bool) -> None:
    assert canvas(system)[0].glyphs.colours is colours


def test_without_colour_bold_and_dim_stay() -> None:
    painter, out = canvas(no_color=True)
    assert not painter.glyphs.colours
    assert "\x1b[0;1mx" in written(painter, out, [[("x", "bold green")]])


def test_opening_and_closing_twice_is_fine() -> None:
    painter, out = canvas()
    for _ in range(2):
        painter.open()
    for _ in range(2):
        painter.close()
    assert out.getvalue() == ENTER + LEAVE


@pytest.mark.parametrize(("term", "usable"), [("xterm-256color", True), ("dumb", False), ("unknown", False)])
def test_a_dumb_terminal_cannot_be_painted_on(term: str, usable: bool) -> None:
    assert canvas(_environ={"TERM": term})[0].usable is usable


def test_a_file_is_no_terminal() -> None:
    assert not canvas(force_terminal=False)[0].usable
