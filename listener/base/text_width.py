"""How wide a terminal shows text."""

import re
import unicodedata
from bisect import bisect
from functools import lru_cache
from itertools import accumulate

from rich.cells import cell_len

NARROW = re.compile("[ -~\u00a0-\u02ff\u2500-\u25fc]*")  # Latin, bars and pictures: one cell each
EMOJI = "\ufe0f"  # makes an emoji of the character before it, which many terminals then widen


def cells(text: str) -> int:
    """How wide a terminal shows it. Where terminals disagree the widest counts, so that no line is too long."""
    return len(text) if NARROW.fullmatch(text) else sum(map(_cells, text))


@lru_cache(4096)
def _cells(char: str) -> int:
    """Of one character. rich knows a later Unicode than Python, but takes the vowel signs of Hindi for nothing."""
    if unicodedata.category(char) in ("Mn", "Me"):
        return int(char == EMOJI)
    return max(2 if unicodedata.east_asian_width(char) in ("W", "F") else 1, cell_len(char))


def padded(text: str, width: int) -> str:
    """With spaces up to so many cells; what is wider stays so."""
    return text + " " * (width - cells(text))


def fitted(text: str, width: int) -> str:
    """So many cells exactly; of a wide character across the edge a space is left."""
    if cells(text) > width:
        text = text[: bisect(list(accumulate(map(_cells, text))), width)]
    return padded(text, width)
