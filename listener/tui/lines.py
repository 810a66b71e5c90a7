"""Lines of styled text and the shapes drawn with them, independent of any terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from listener.base.text_width import cells, fitted

Piece = tuple[str, str]  # text, style
Line = list[Piece]

NAME_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that a terminal can show. Bars are readable without colour: their parts differ in shape."""

    full: str
    empty: str
    mark: str
    rule: str
    dot: str
    pointer: str
    half: str  # the upper half of a cell; a space if there is no such character
    shades: str  # from the darkest to the lightest, if there are no colours
    colours: bool = True


UNICODE = Glyphs("━", "─", "┃", "─", "·", "▸", "▀", " ·░▒▓█")
ASCII = Glyphs("=", ".", "|", "-", "-", ">", " ", " .:-=+*%#@")


def threshold_text(threshold: float) -> str:
    """A threshold with two decimals, or three if it needs them: 0.999 is not 1."""
    return f"{threshold:.3f}".removesuffix("0")


def length(line: Line) -> int:
    """The width of a line in cells."""
    return cells("".join([piece for piece, _ in line]))  # in one call: a picture has thousands of pieces


def cropped(line: Line, width: int) -> Line:
    """The line, cut to a width."""
    if length(line) <= width:
        return line
    kept: Line = []
    for piece, style in line:
        wide = cells(piece)
        if wide >= width:
            return [*kept, (fitted(piece, width), style)]
        kept.append((piece, style))
        width -= wide
    return kept


def justified(left: Line, right: Line, width: int) -> Line:
    """One line of both, with space between them. The left part is cut if there is too little room."""
    room = max(0, width - length(right) - 1)
    left = cropped(left, room)
    return [*left, (" " * (width - length(left) - length(right)), ""), *right]


def side_by_side(parts: Sequence[Line], each: int, gap: int) -> Line:
    """One line of several, each `each` cells wide, except the last, which may be shorter."""
    line: Line = []
    for part in parts:
        line += [*cropped(part, each), (" " * (each - min(length(part), each) + gap), "")]
    return line[:-1]  # no gap after the last


def titled_rule(title: str, width: int, glyphs: Glyphs) -> Line:
    """A line across the window with a title in it."""
    return [(f"{glyphs.rule * 2} {title} ".ljust(width, glyphs.rule), "dim")]


def bar(share: float, mark: float | None, width: int, style: str, glyphs: Glyphs) -> Line:
    """A bar filled to `share` of its width, with a mark across it."""
    full = round(min(max(share, 0.0), 1.0) * width)
    drawn = glyphs.full * full + glyphs.empty * (width - full)
    if mark is None:
        return [(drawn[:full], style), (drawn[full:], "dim")]
    at = min(int(min(max(mark, 0.0), 1.0) * width), width - 1)
    if at < full:
        return [(drawn[:at], style), (glyphs.mark, "bold yellow"), (drawn[at + 1 : full], style), (drawn[full:], "dim")]
    return [(drawn[:full], style), (drawn[full:at], "dim"), (glyphs.mark, "bold yellow"), (drawn[at + 1 :], "dim")]
