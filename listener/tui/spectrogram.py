"""The spectrogram: columns are pooled to the cells of a terminal, which show two mel bands each."""

from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from listener.messages import Spectrum
from listener.tui.lines import Glyphs, Line

Shades = np.ndarray[Any, np.dtype[np.uint8]]

CELL_COLUMNS = 5  # columns per cell, 80 ms: a block of audio moves the picture by two cells
KEPT = 512  # cells; no window is wider
GAP_S = 0.3  # a longer jump in time is shown as a gap
MOST_GAP = 4  # cells: a longer gap would push out what was before it
NOTHING = 0  # a cell without audio
RANGE = 128  # of 255: at least 45 dB from the darkest to the lightest, or a quiet room would look loud
ROOM = 0.2  # this share of the cells counts as background and gets the darkest shade
STEP = 8  # the range moves in steps, so that the picture does not flicker


def _empty(mels: int) -> Shades:
    return np.zeros((mels, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """The last seconds of one source."""

    cells: Shades = field(default_factory=lambda: _empty(0))  # (mels, at most KEPT), the newest last; NOTHING or more
    rest: Shades = field(default_factory=lambda: _empty(0))  # (mels, columns) of the cell that is not complete yet
    at_s: float = 0.0  # the end of the last column

    def with_columns(self, spectrum: Spectrum) -> "Spectrogram":
        """The spectrogram after one more message."""
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
        """The last `width` cells, including the incomplete one, so that a sound is visible at once."""
        growing = self.rest.max(axis=1, keepdims=True) if self.rest.size else self.rest
        return np.hstack([self.cells, growing])[:, -width:]


def _gap(known: Spectrogram, jump_s: float, cell_s: float) -> Shades:
    mels, before = known.cells.shape
    if abs(jump_s) < GAP_S or not before:
        return _empty(mels)
    return np.full((mels, min(MOST_GAP, max(1, round(abs(jump_s) / cell_s)))), NOTHING, np.uint8)


def draw(spectrogram: Spectrogram, width: int, height: int, glyphs: Glyphs, colours: tuple[str, ...]) -> list[Line]:
    """Draw the newest cells at the right, high frequencies above, as `height` lines of `width` cells."""
    bands = 2 * height if glyphs.colours and glyphs.half.strip() else height
    low, high = _range(spectrogram.cells)
    count = len(colours) if glyphs.colours else len(glyphs.shades)
    shades = _shades(_banded(spectrogram.newest(width), bands), low, high, count)
    picture = np.zeros((bands, width), np.intp)
    picture[:, width - shades.shape[1] :] = shades[::-1]
    if not glyphs.colours:
        return [[("".join([glyphs.shades[shade] for shade in row]), "")] for row in picture.tolist()]
    if bands == height:
        return [_runs(row * len(colours) + row, colours, glyphs) for row in picture]
    return [
        _runs(upper * len(colours) + lower, colours, glyphs)
        for upper, lower in zip(picture[::2], picture[1::2], strict=True)
    ]


def _banded(cells: Shades, bands: int) -> Shades:
    """The maximum of each band, the lowest band first: uint8 (bands, columns)."""
    mels = cells.shape[0]
    if not mels:
        return np.zeros((bands, cells.shape[1]), np.uint8)
    edges = np.arange(bands) * mels // bands
    return cells[edges] if bands > mels else np.maximum.reduceat(cells, edges, axis=0)


def _range(cells: Shades) -> tuple[int, int]:
    """The values that get the darkest and the lightest shade, chosen from the recent cells."""
    counts = np.bincount(cells.ravel(), minlength=256)
    counts[NOTHING] = 0
    below = np.cumsum(counts)
    if not below[-1]:
        return 0, RANGE
    low = int(np.searchsorted(below, ROOM * below[-1])) // STEP * STEP
    return low, max(low + RANGE, -(-int(np.flatnonzero(counts)[-1]) // STEP) * STEP)


def _shades(bands: Shades, low: int, high: int, count: int) -> "np.ndarray[Any, np.dtype[np.intp]]":
    """Shades from 0, for background, to count - 1."""
    share = (bands.astype(np.float32) - low) / (high - low)
    shades: np.ndarray[Any, np.dtype[np.intp]] = np.clip(share * count, 0, count - 1).astype(np.intp)
    return shades


def _runs(pairs: "np.ndarray[Any, np.dtype[np.intp]]", colours: tuple[str, ...], glyphs: Glyphs) -> Line:
    """A line of pieces with one style each."""
    styles = _styles(colours)
    bounds = [0, *(np.flatnonzero(np.diff(pairs)) + 1).tolist(), len(pairs)]
    line: Line = []
    for begin, end in pairwise(bounds):
        pair = int(pairs[begin])
        even = pair // len(colours) == pair % len(colours)
        line.append(((" " if even else glyphs.half) * (end - begin), styles[pair]))
    return line


@cache
def _styles(colours: tuple[str, ...]) -> tuple[str, ...]:
    """The style of each pair of an upper and a lower shade."""
    return tuple(f"{upper} on {lower}" for upper in colours for lower in colours)
