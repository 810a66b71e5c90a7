"""Labelled recordings, wherever they are listed: our metadata.csv, ESC-50, UrbanSound8K, a folder of label folders."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from listener.errors import ListenerError

ESC_10 = {
    "dog": "dog_bark",
    "rooster": "rooster",
    "rain": "rain",
    "sea_waves": "sea_waves",
    "crackling_fire": "fire_crackling",
    "crying_baby": "baby_cry",
    "sneezing": "sneeze",
    "clock_tick": "clock_tick",
    "helicopter": "helicopter",
    "chainsaw": "chainsaw",
}
# Of the forty that are not in ESC-10.
ESC_OTHERS = {"siren": "siren", "car_horn": "car_horn", "engine": "engine_idling"}
AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
FOLDS = 5  # of a plain folder


class DataError(ListenerError):
    """Training data is not where or what it was said to be."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An audio file and what is to be heard in it. Cuts of one recording share their source, and so a fold."""

    path: Path
    labels: tuple[str, ...]
    fold: int
    dataset: str
    source: str  # what it was cut from: one jackhammer gave 79 cuts


def read_any(folder: Path) -> list[Recording]:
    """The recordings of a folder, whichever of the four layouts it has. DataError when it has none."""
    layouts: tuple[tuple[str, Callable[[Path], list[Recording]]], ...] = (
        ("metadata.csv", read_metadata),
        ("meta/esc50.csv", read_esc50),
        ("metadata/UrbanSound8K.csv", read_urbansound8k),
    )
    for listing, read in layouts:
        if (folder / listing).is_file():
            return read(folder)
    return read_label_folders(folder)


def read_metadata(folder: Path) -> list[Recording]:
    """Recordings of a folder with a metadata.csv of at least path, dataset, label and fold."""
    rows = _rows(folder / "metadata.csv", ("path", "dataset", "label", "fold"))
    return [
        Recording(
            folder / row["path"],
            (row["label"],),
            int(row["fold"]),
            row["dataset"],
            row.get("source_id") or row["path"],
        )
        for row in rows
    ]


def read_esc50(folder: Path, only_esc10: bool = True) -> list[Recording]:
    """ESC-50 as published. Its names become ours where the sound is the same; the rest keep their own."""
    rows = _rows(folder / "meta" / "esc50.csv", ("filename", "fold", "category", "esc10", "src_file"))
    chosen = [row for row in rows if not only_esc10 or row["esc10"] == "True"]
    names = ESC_10 | ESC_OTHERS
    return [
        Recording(
            folder / "audio" / row["filename"],
            (names.get(row["category"], row["category"]),),
            int(row["fold"]),
            "esc10" if row["esc10"] == "True" else "esc50",
            row["src_file"],
        )
        for row in chosen
    ]


def read_urbansound8k(folder: Path) -> list[Recording]:
    """UrbanSound8K as published."""
    rows = _rows(folder / "metadata" / "UrbanSound8K.csv", ("slice_file_name", "fsID", "fold", "class"))
    return [
        Recording(
            folder / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            (row["class"],),
            int(row["fold"]),
            "urbansound8k",
            row["fsID"],
        )
        for row in rows
    ]


def read_label_folders(folder: Path) -> list[Recording]:
    """Recordings of `folder/<label>/*.wav` and the like; a file's fold comes from the hash of its stem."""
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in AUDIO)
    if not paths:
        raise DataError(
            f"{folder}: no training data. Expected a metadata.csv, ESC-50, UrbanSound8K, or one folder of audio "
            "files for each label; name the right folder with --data."
        )
    return [Recording(path, (path.parent.name,), _fold(path.stem), folder.name, path.stem) for path in paths]


def without_fold(recordings: list[Recording], fold: int | None) -> list[Recording]:
    """The recordings to train on when a fold is kept for the test; all of them when none is."""
    return [recording for recording in recordings if recording.fold != fold]


def _fold(stem: str) -> int:
    return 1 + int(hashlib.sha256(stem.encode()).hexdigest(), 16) % FOLDS


def _rows(listing: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with listing.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{listing}: no column {', '.join(missing)}. Get the listing from its publisher again.")
            yield from list(reader)
    except OSError as err:
        raise DataError(f"{listing}: cannot be read ({err.strerror}). Name the data's folder with --data.") from err
