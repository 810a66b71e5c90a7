"""Tiny recordings and recipes for tests of training."""

from pathlib import Path

import numpy as np
import soundfile

from listener.types import Floats
from models.recipe import Recipe

RATE = 16_000


def tone(frequency_hz: float, seconds: float) -> Floats:
    wave: Floats = (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)
    return wave


def label_folders(folder: Path) -> Path:
    """Two labels with two recordings each, one longer than a clip and one shorter."""
    for label, frequency_hz in (("low", 300), ("high", 3000)):
        (folder / label).mkdir(parents=True)
        for name, seconds in (("long", 4.0), ("short", 0.6)):
            soundfile.write(folder / label / f"{name}.wav", tone(frequency_hz, seconds), RATE)
    return folder


def tiny_recipe(**changes: object) -> Recipe:
    """A recipe that trains in a second and learns next to nothing."""
    small = {
        "labels": ("low", "high"),
        "steps": 4,
        "batch": 4,
        "widths": (8, 8, 8, 8, 8),
        "rooms": 2,
        "responses": 2,
        "noises": 2,
        "variants": 0,
        "siren_variants": 0,
    }
    return Recipe(**{**small, **changes})  # type: ignore[arg-type]
