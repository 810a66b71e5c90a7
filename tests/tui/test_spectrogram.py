"""The spectrogram in cells: time runs to the right, pitch upwards, and a gap is to be seen."""

from dataclasses import replace

import numpy as np

from listener.tui import palette
from listener.tui.lines import ASCII, UNICODE
from listener.tui.spectrogram import KEPT, MOST_GAP, NOTHING, Spectrogram, draw
from tests.tui.scenes import spectrum

SHADES = replace(UNICODE, colours=False)


def tone(mel: int, columns: int = 10) -> "np.ndarray":
    """One band that sounds in a quiet room."""
    shades = np.full((64, columns), 20, np.uint8)
    shades[mel] = 220
    return shades


def test_five_columns_make_a_cell_and_the_rest_waits_for_more() -> None:
    seven = Spectrogram().with_columns(spectrum(tone(3, 7), at_s=0.112))
    assert seven.cells.shape == (64, 1)
    assert seven.with_columns(spectrum(tone(3, 8), at_s=0.24)).cells.shape == (64, 3)


def test_a_sound_is_seen_before_its_cell_is_full() -> None:
    heard = Spectrogram().with_columns(spectrum(tone(3, 7), at_s=0.112))
    assert heard.newest(80).shape == (64, 2)
    assert heard.newest(80)[3].tolist() == [220, 220]


def test_a_click_in_one_column_is_to_be_seen() -> None:
    shades = np.full((64, 10), 20, np.uint8)
    shades[:, 2] = 250
    assert Spectrogram().with_columns(spectrum(shades)).cells[0].tolist() == [250, 20]


def test_a_gap_is_a_few_empty_cells() -> None:
    heard = Spectrogram().with_columns(spectrum(tone(3))).with_columns(spectrum(tone(3), at_s=9.0))
    assert (heard.cells[0] == NOTHING).tolist() == [False] * 2 + [True] * MOST_GAP + [False] * 2


def test_a_daemon_that_begins_anew_is_a_gap_too() -> None:
    heard = Spectrogram().with_columns(spectrum(tone(3), at_s=500.0)).with_columns(spectrum(tone(3), at_s=0.16))
    assert (heard.cells == NOTHING).any()


def test_only_so_much_is_kept() -> None:
    heard = Spectrogram()
    for number in range(1, KEPT):
        heard = heard.with_columns(spectrum(tone(3), at_s=0.16 * number))
    assert heard.cells.shape == (64, KEPT)


def test_another_model_begins_a_new_picture() -> None:
    heard = Spectrogram().with_columns(spectrum(tone(3))).with_columns(spectrum(np.full((32, 10), 9, np.uint8)))
    assert heard.cells.shape == (32, 2)


def drawn(mel: int, height: int = 8) -> list[str]:
    heard = Spectrogram().with_columns(spectrum(tone(mel)))
    lines = draw(heard, 6, height, SHADES, palette.warm())
    return ["".join(piece for piece, _ in line) for line in lines]


def test_high_tones_are_above_and_the_newest_is_at_the_right() -> None:
    assert drawn(63)[0] == "    ██"
    assert drawn(0)[7] == "    ██"
    assert set("".join(drawn(0)[:7])) == {" "}


def test_in_colours_a_cell_shows_two_bands() -> None:
    heard = Spectrogram().with_columns(spectrum(tone(63)))
    top = draw(heard, 6, 8, UNICODE, palette.warm())[0]
    lightest, darkest = palette.warm()[-1], palette.warm()[0]
    assert top == [("    ", f"{darkest} on {darkest}"), ("▀▀", f"{lightest} on {darkest}")]


def test_in_ascii_a_cell_is_coloured_space() -> None:
    heard = Spectrogram().with_columns(spectrum(tone(63)))
    assert {piece for line in draw(heard, 6, 8, ASCII, palette.warm()) for piece, _ in line} <= {"    ", "  ", "      "}


def test_a_quiet_room_is_dark_whatever_the_microphone() -> None:
    room = np.random.default_rng(0).integers(60, 80, (64, 200), dtype=np.uint8)
    heard = Spectrogram().with_columns(spectrum(room, at_s=3.2))
    shades = "".join(piece for line in draw(heard, 40, 8, SHADES, palette.warm()) for piece, _ in line)
    assert set(shades) <= {" ", "·"}


def test_each_colour_is_lighter_than_the_one_before() -> None:
    for colours in (palette.warm(), palette.grey()):
        light = [luminance(colour) for colour in colours]
        assert light == sorted(light)
        assert len(set(colours)) == palette.SHADES


def luminance(colour: str) -> float:
    red, green, blue = ((int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
