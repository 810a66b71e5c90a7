"""Text is as wide as the cells of a terminal that its characters take: none, one or two each."""

import pytest

from listener.base.text_width import cells, fitted, padded


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("dog", 3),
        ("café", 4),
        ("cafe\u0301", 4),
        ("犬", 2),
        ("🐕", 2),
        ("\u0915\u093f", 2),  # ki: two in tmux, though rich counts one
        ("\u2764\ufe0f", 2),  # a red heart: two in many terminals
        ("━▀·▸", 4),
    ],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, width: int) -> None:
    assert cells(text) == width


def test_a_wide_character_across_the_edge_leaves_a_space() -> None:
    assert fitted("犬犬", 3) == "犬 "
    assert fitted("犬", 3) == "犬 "


def test_an_accent_stays_with_its_letter() -> None:
    assert fitted("ae\u0301x", 2) == "ae\u0301"


def test_padding_counts_cells_and_cuts_nothing() -> None:
    assert padded("犬", 4) == "犬  "
    assert padded("犬犬", 3) == "犬犬"
