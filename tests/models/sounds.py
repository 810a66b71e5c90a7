"""Tiny recordings, recipes and pools for tests of training."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from listener.pipeline.values import Floats
from models.data.events import FRAMES
from models.data.frontend import mel_filters
from models.data.mixing import Mixing
from models.data.pool import Pool
from models.evaluation.yamnet import CLASSES
from models.network.shape import Shape
from models.training.recipe import Recipe

RATE = 16_000
COLUMNS = 816
WINDOWS = 16  # of the teacher in a stream
PITCHES_HZ = {"low": 300, "high": 3000, "mid": 1000, "speech": 440}

Listed = tuple[str, str, int]  # label, dataset, fold


def tone(frequency_hz: float, seconds: float) -> Floats:
    wave: Floats = (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)
    return wave


def label_folders(folder: Path) -> Path:
    """Two labels with two recordings each, one longer than a clip and one shorter; all of them are of fold 1."""
    for label in ("low", "high"):
        (folder / label).mkdir(parents=True)
        for name, seconds in (("long", 4.0), ("short", 0.6)):
            soundfile.write(folder / label / f"{name}.wav", tone(PITCHES_HZ[label], seconds), RATE)
    return folder


def listed(folder: Path, rows: Sequence[Listed], licence: str = "CC0") -> Path:
    """A folder with a metadata.csv of one tone for each row."""
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "dataset", "label", "fold", "licence"))
        for label, dataset, fold in rows:
            name = f"{label}-{dataset}-{fold}.wav"
            soundfile.write(folder / name, tone(PITCHES_HZ[label], 1.5), RATE)
            writer.writerow((name, dataset, label, fold, licence))
    return folder


def tiny_mixing(**changes: object) -> Mixing:
    """A mixing that takes a moment to prepare."""
    small = {"labels": ("low", "high"), "streams": 100, "rooms": 2, "responses": 2, "noises": 2, "variants": {}}
    return Mixing(**{**small, **changes})  # type: ignore[arg-type]


def tiny_recipe(**changes: object) -> Recipe:
    """A recipe that trains in seconds and learns next to nothing."""
    small = {
        "mixing": tiny_mixing(),
        "shape": Shape(layers=7, pretrained=False, hidden=16, embedding=8),
        "steps": 2,
        "batch": 3,
        "whole_steps": 2,
        "whole_batch": 3,
        "free": False,
    }
    return Recipe(**{**small, **changes})  # type: ignore[arg-type]


def random_pool(folder: Path = Path(), streams: int = 12, labels: int = 2, *, teacher: bool = True) -> Pool:
    """A pool of noise in memory: folds 1 to 3 and data sets one and two in turn, every stream of one label."""
    rng, spec = np.random.default_rng(0), tiny_mixing().spec
    number = np.arange(streams)
    sounding = number[:, None] % labels == np.arange(labels)
    frames = sounding[:, :, None] & (rng.random((streams, labels, FRAMES)) < 0.5)
    return Pool(
        mel=rng.normal(-1, 0.5, (streams, spec.mels, COLUMNS)).astype(np.float16),
        frames=np.packbits(frames, axis=2),
        known=np.packbits(rng.random((streams, labels, FRAMES)) < 0.95, axis=2),
        teacher=rng.integers(-99, 99, (streams * teacher, WINDOWS, CLASSES)).astype(np.int8),
        fold=(1 + number % 3).astype(np.uint8),
        free=number % 4 > 0,
        foreign=number[:, None] // 2 % 2 == np.arange(2),
        datasets=("one", "two"),
        filters=mel_filters(spec),
        labels=("low", "high", "mid")[:labels],
        folder=folder,
    )
