"""Text for people."""

import pytest

from listener.base.text import duration, line, plain, times
from tests.sinks.messages import event


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("dog bark \u00fc \u4e2d", "dog bark \u00fc \u4e2d"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\r\tc\x9b", "a\\nb\\r\\tc\\x9b"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\udc80", "\\udc80"),
    ],
)
def test_a_name_cannot_move_the_cursor(name: str, safe: str) -> None:
    assert plain(name) == safe


def test_names_in_the_line_of_an_event_are_safe() -> None:
    assert "\x1b" not in (line(event(label="a\x1b[2J", source="b\x1b[2J")) or "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (59.94, "59.9 s"),
        (59.95, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (47.9 * 3600, "47 h 54 min"),
        (48 * 3600, "2 d 0 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_are_words() -> None:
    assert (times(1), times(2)) == ("once", "2 times")
