"""Lines of styled text are measured in cells of the terminal."""

from listener.tui.lines import cropped, justified, length, side_by_side


def test_a_line_that_is_cut_in_a_wide_character_has_a_space_there() -> None:
    assert cropped([("犬犬", "bold"), ("x", "")], 3) == [("犬 ", "bold")]


def test_what_stands_to_the_right_of_wide_names_stands_where_it_should() -> None:
    assert "".join(text for text, _ in side_by_side([[("犬犬", "")], [("b", "")]], 3, 1)) == "犬  b"
    assert length(justified([(9 * "犬", "")], [("right", "")], 12)) == 12
