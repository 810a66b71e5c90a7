"""Scenes made up for tests, and what is to be read of them."""

from typing import Any

import numpy as np
from rich.cells import cell_len

from listener.messages import Spectrum
from listener.tui.page import draw
from listener.tui.scene import Scene
from listener.tui.view import Snapshot
from tests.sinks.messages import HELLO, event, level, status


def busy() -> Scene:
    """Something of everything."""
    scene = Scene(HELLO).with_message(level()).with_message(status(lost_s=1.3)).with_message(spectrum(at_s=20.0))
    return (
        scene.with_message(event(1, label="siren", phase="end", end_s=15.7))
        .with_message(event(2))
        .with_notice("lost 1.3 s of audio")
    )


def spectrum(shades: "np.ndarray | None" = None, **changes: Any) -> Spectrum:
    """A message of ten columns; `shades` are uint8 (mels, columns)."""
    shades = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[:, None], 10) if shades is None else shades
    plain: dict[str, Any] = {
        "source": "kitchen",
        "at_s": 0.16,
        "column_s": 0.016,
        "low_db": -70.0,
        "high_db": 20.0,
        "mels": shades.shape[0],
        "columns": shades.T.tobytes(),
    }
    return Spectrum(**plain | changes)


def rows(shown: Scene | Snapshot, width: int = 80, height: int = 24) -> list[str]:
    """What is to be read."""
    snapshot = Snapshot(shown) if isinstance(shown, Scene) else shown
    return ["".join(piece for piece, _ in line) for line in draw(snapshot, width, height)]


def column(line: str, word: str) -> int:
    """The cell in which a word begins, as rich counts them."""
    return cell_len(line[: line.index(word)])


def row(shown: Scene | Snapshot, word: str, width: int = 80, height: int = 24) -> str:
    """The first line with a word in it."""
    return next(line.rstrip() for line in rows(shown, width, height) if word in line)
