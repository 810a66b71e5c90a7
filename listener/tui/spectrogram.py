"""The spectrogram: columns as they come, pooled to the cells of a terminal, and drawn as two shades a cell."""

from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from listener.messages import Spectrum
from listener.tui.lines import Line, Look

Shades = np.ndarray[Any, np.dtype[np.uint8]]

CELL_COLUMNS = 5  # of a message: 80 ms, so that a block of audio moves the picture by two cells
KEPT = 512  # cells; nobody's window is wider
GAP_S = 0.3  # a jump of more is one, and shows
MOST_GAP = 4  # cells: that there was one is to be seen, and what was before it as well
NOTHING = 0  # a cell in which nothing was heard
RANGE = 128  # of 255: 45 dB from the darkest to the lightest at least, or a quiet room would look loud
ROOM = 0.2  # so much of what is kept is the room, and has the darkest shade
STEP = 8  # the range moves in steps, so that the picture does not flicker


def _empty(mels: int) -> Shades:
    return np.zeros((mels, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """What one source sounded like of late."""

    cells: Shades = field(default_factory=lambda: _empty(0))  # (mels, at most KEPT), the newest last; NOTHING or more
    rest: Shades = field(default_factory=lambda: _empty(0))  # (mels, columns) of the cell that is growing
    at_s: float = 0.0  # the end of the last column

    def after(self, spectrum: Spectrum) -> "Spectrogram":
        """With the columns of one more message."""
        fresh = np.frombuffer(spectrum.columns, np.uint8).reshape(-1, spectrum.mels).T
        known = self if self.cells.shape[0] == spectrum.mels else Spectrogram(*2 * (_empty(spectrum.mels),))
        jump_s = spectrum.at_s - fresh.shape[1] * spectrum.column_s - known.at_s
        rest = np.hstack([known.rest if abs(jump_s) < GAP_S else _empty(spectrum.mels), np.maximum(fresh, 1)])
        count = rest.shape[1] // CELL_COLUMNS
        pooled = rest[:, : count * CELL_COLUMNS].reshape(spectrum.mels, count, CELL_COLUMNS).max(axis=2)
        gap = _gap(known, jump_s, CELL_COLUMNS * spectrum.column_s)
        cells = np.hstack([known.cells, gap, pooled])[:, -KEPT:]
        return replace(known, cells=cells, rest=rest[:, count * CELL_COLUMNS :], at_s=spectrum.at_s)

    def newest(self, width: int) -> Shades:
        """The last so many cells; that which is still growing is one of them, for a sound is to be seen at once."""
        growing = self.rest.max(axis=1, keepdims=True) if self.rest.size else self.rest
        return np.hstack([self.cells, growing])[:, -width:]


def _gap(known: Spectrogram, jump_s: float, cell_s: float) -> Shades:
    mels, before = known.cells.shape
    if abs(jump_s) < GAP_S or not before:
        return _empty(mels)
    return np.full((mels, min(MOST_GAP, max(1, round(abs(jump_s) / cell_s)))), NOTHING, np.uint8)


def draw(spectrogram: Spectrogram, width: int, height: int, look: Look, colours: tuple[str, ...]) -> list[Line]:
    """So many lines, each as wide; the newest at the right, high frequencies above."""
    bands = 2 * height if look.colours and look.half.strip() else height
    low, high = _range(spectrogram.cells)
    count = len(colours) if look.colours else len(look.shades)
    shades = _shades(_banded(spectrogram.newest(width), bands), low, high, count)
    picture = np.zeros((bands, width), np.intp)
    picture[:, width - shades.shape[1] :] = shades[::-1]
    if not look.colours:
        return [[("".join([look.shades[shade] for shade in row]), "")] for row in picture.tolist()]
    if bands == height:
        return [_runs(row * len(colours) + row, colours, look) for row in picture]
    return [
        _runs(upper * len(colours) + lower, colours, look)
        for upper, lower in zip(picture[::2], picture[1::2], strict=True)
    ]


def _banded(cells: Shades, bands: int) -> Shades:
    """The loudest of each band, the lowest first: uint8 (bands, columns)."""
    mels = cells.shape[0]
    if not mels:
        return np.zeros((bands, cells.shape[1]), np.uint8)
    edges = np.arange(bands) * mels // bands
    return cells[edges] if bands > mels else np.maximum.reduceat(cells, edges, axis=0)


def _range(cells: Shades) -> tuple[int, int]:
    """What is drawn darkest and lightest: by what was heard of late, whatever the microphone."""
    counts = np.bincount(cells.ravel(), minlength=256)
    counts[NOTHING] = 0
    heard = np.cumsum(counts)
    if not heard[-1]:
        return 0, RANGE
    low = int(np.searchsorted(heard, ROOM * heard[-1])) // STEP * STEP
    return low, max(low + RANGE, -(-int(np.flatnonzero(counts)[-1]) // STEP) * STEP)


def _shades(bands: Shades, low: int, high: int, count: int) -> "np.ndarray[Any, np.dtype[np.intp]]":
    """From 0, for nothing and the room, to count - 1."""
    share = (bands.astype(np.float32) - low) / (high - low)
    shades: np.ndarray[Any, np.dtype[np.intp]] = np.clip(share * count, 0, count - 1).astype(np.intp)
    return shades


def _runs(pairs: "np.ndarray[Any, np.dtype[np.intp]]", colours: tuple[str, ...], look: Look) -> Line:
    """Pieces of one style each."""
    styles = _styles(colours)
    bounds = [0, *(np.flatnonzero(np.diff(pairs)) + 1).tolist(), len(pairs)]
    line: Line = []
    for begin, end in pairwise(bounds):
        pair = int(pairs[begin])
        even = pair // len(colours) == pair % len(colours)
        line.append(((" " if even else look.half) * (end - begin), styles[pair]))
    return line


@cache
def _styles(colours: tuple[str, ...]) -> tuple[str, ...]:
    """Of each pair of an upper and a lower shade."""
    return tuple(f"{upper} on {lower}" for upper in colours for lower in colours)
