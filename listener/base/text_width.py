"""The width of text in a terminal."""

import re
import unicodedata
from bisect import bisect
from functools import lru_cache
from itertools import accumulate

from rich.cells import cell_len

NARROW = re.compile("[ -~\u00a0-\u02ff\u2500-\u25fc]*")  # Latin, bars and pictures: one cell each
EMOJI = "\ufe0f"  # makes an emoji of the character before it, which many terminals then widen


def cells(text: str) -> int:
    """Return the width of text in cells. If terminals disagree, the widest counts, so that no line is too long."""
    return len(text) if NARROW.fullmatch(text) else sum(map(_cells, text))


@lru_cache(4096)
def _cells(char: str) -> int:
    """Return the width of a character. rich knows a later Unicode, but gives Hindi's vowel signs no width."""
    if unicodedata.category(char) in ("Mn", "Me"):
        return int(char == EMOJI)
    return max(2 if unicodedata.east_asian_width(char) in ("W", "F") else 1, cell_len(char))


def padded(text: str, width: int) -> str:
    """Add spaces up to a width in cells; wider text stays as it is."""
    return text + " " * (width - cells(text))


def fitted(text: str, width: int) -> str:
    """Cut or pad text to exactly a width in cells; half of a wide character becomes a space."""
    if cells(text) > width:
        text = text[: bisect(list(accumulate(map(_cells, text))), width)]
    return padded(text, width)
