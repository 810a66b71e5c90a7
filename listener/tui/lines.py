"""Lines of styled text, and the shapes that pictures are made of. Knows no terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from listener.base.text_width import cells, fitted

Piece = tuple[str, str]  # text, style
Line = list[Piece]

NAME_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Look:
    """What a terminal can show. Full, mark and empty differ in shape, so that colour is not needed."""

    full: str
    empty: str
    mark: str
    rule: str
    dot: str
    pointer: str
    half: str  # the upper half of a cell; a space where there is none
    shades: str  # from nothing to everything, where there are no colours
    colours: bool = True


UNICODE = Look("━", "─", "┃", "─", "·", "▸", "▀", " ·░▒▓█")
ASCII = Look("=", ".", "|", "-", "-", ">", " ", " .:-=+*%#@")


def spelled(threshold: float) -> str:
    """A threshold with two places, or the third that it has: 0.999 is not 1."""
    return f"{threshold:.3f}".removesuffix("0")


def length(line: Line) -> int:
    """How wide it is."""
    return cells("".join([piece for piece, _ in line]))  # at once, as pictures have thousands of pieces


def cropped(line: Line, width: int) -> Line:
    """Its first so many cells; the line itself where it has no more."""
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


def spread(left: Line, right: Line, width: int) -> Line:
    """Left and right with space between them; where there is too little, the left gives way."""
    room = max(0, width - length(right) - 1)
    left = cropped(left, room)
    return [*left, (" " * (width - length(left) - length(right)), ""), *right]


def side_by_side(parts: Sequence[Line], each: int, gap: int) -> Line:
    """Lines beside each other, each as wide but the last, which may end earlier."""
    line: Line = []
    for part in parts:
        line += [*cropped(part, each), (" " * (each - min(length(part), each) + gap), "")]
    return line[:-1]  # nothing stands to the right of the last


def titled_rule(title: str, width: int, look: Look) -> Line:
    """A line across the window with a word in it."""
    return [(f"{look.rule * 2} {title} ".ljust(width, look.rule), "dim")]


def bar(share: float, mark: float | None, width: int, style: str, look: Look) -> Line:
    """A bar filled to `share`, with a mark across it: three pieces and what the mark splits."""
    full = round(min(max(share, 0.0), 1.0) * width)
    drawn = look.full * full + look.empty * (width - full)
    if mark is None:
        return [(drawn[:full], style), (drawn[full:], "dim")]
    at = min(int(min(max(mark, 0.0), 1.0) * width), width - 1)
    if at < full:
        return [(drawn[:at], style), (look.mark, "bold yellow"), (drawn[at + 1 : full], style), (drawn[full:], "dim")]
    return [(drawn[:full], style), (drawn[full:at], "dim"), (look.mark, "bold yellow"), (drawn[at + 1 :], "dim")]
