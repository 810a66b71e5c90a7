"""Tiny recordings, recipes and pools for tests of training."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from models.data.frontend import mel_filters
from models.data.mixing import FRAMES
from models.data.pool import Pool
from models.evaluation.yamnet import CLASSES, windows_in
from models.training.recipe import Mixing, Recipe, Shape

RATE = 16_000
PITCHES_HZ = {"low": 300, "high": 3000, "mid": 1000, "music": 440, "street_music": 600}

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


def listed(folder: Path, rows: Sequence[Listed]) -> Path:
    """A folder with a metadata.csv of one tone for each row."""
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "dataset", "label", "fold"))
        for label, dataset, fold in rows:
            name = f"{label}-{dataset}-{fold}.wav"
            soundfile.write(folder / name, tone(PITCHES_HZ[label], 1.5), RATE)
            writer.writerow((name, dataset, label, fold))
    return folder


def tiny_mixing(**changes: object) -> Mixing:
    """A mixing that takes a moment to prepare."""
    small = {
        "labels": ("low", "high"),
        "clips": 500,
        "rooms": 2,
        "responses": 2,
        "noises": 2,
        "variants": 0,
        "siren_variants": 0,
    }
    return Mixing(**{**small, **changes})  # type: ignore[arg-type]


def tiny_shape(**changes: object) -> Shape:
    """A network as small as one can be."""
    return Shape(**{"pretrained": 0, "widths": (8, 8, 8, 8), "hidden": 16, "embedding": 8, **changes})  # type: ignore[arg-type]


def tiny_recipe(**changes: object) -> Recipe:
    """A recipe that trains in a second and learns next to nothing."""
    small = {"mixing": tiny_mixing(), "shape": tiny_shape(), "steps": 4, "batch": 4, "teacher_loss": 0.2}
    return Recipe(**{**small, **changes})  # type: ignore[arg-type]


def random_pool(clips: int = 24, labels: int = 2, *, teacher: bool = True) -> Pool:
    """A pool of noise in memory: folds 1 to 3 in turn, data sets one and two in turn, every clip of one label."""
    rng, spec = np.random.default_rng(0), FeatureSpec()
    number = np.arange(clips)
    targets = number[:, None] % labels == np.arange(labels)
    frames = targets[:, :, None] & (rng.random((clips, labels, FRAMES)) < 0.5)
    return Pool(
        mel=rng.normal(-1, 0.5, (clips, spec.mels, spec.columns)).astype(np.float16),
        targets=targets,
        known=rng.random((clips, labels)) < 0.9,
        frames=np.packbits(frames, axis=2),
        teacher=rng.integers(-99, 99, (clips * teacher, windows_in(spec.clip_samples), CLASSES)).astype(np.int8),
        fold=(1 + number % 3).astype(np.uint8),
        foreign=number[:, None] // 2 % 2 == np.arange(2),
        datasets=("one", "two"),
        filters=mel_filters(spec),
    )
