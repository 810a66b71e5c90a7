"""Labelled recordings, wherever they are listed: our metadata.csv, ESC-50, UrbanSound8K, a folder of label folders."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
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
AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
FOLDS = 5  # of a plain folder
MOST_FOLDS = 255  # a pool keeps a fold in eight bits; 0 is of what belongs to every fold
CUT = "~"  # in a file's name: what stands before it names the recording that it was cut from


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


def read_all(folders: Sequence[Path]) -> list[Recording]:
    """The recordings of some folders, one after another."""
    return [recording for folder in folders for recording in read_any(folder)]


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


def read_esc50(folder: Path) -> list[Recording]:
    """Of ESC-50 as published the ten classes that are ESC-10, under our names."""
    rows = _rows(folder / "meta" / "esc50.csv", ("filename", "fold", "category", "src_file"))
    return [
        Recording(
            folder / "audio" / row["filename"],
            (ESC_10[row["category"]],),
            int(row["fold"]),
            "esc10",
            row["src_file"],
        )
        for row in rows
        if row["category"] in ESC_10
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
    """Recordings of `folder/<label>/*.wav` and the like.

    `park~1.wav` and `park~2.wav` are cut from one recording, `park`, and a file's fold comes from the hash of that.
    """
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in AUDIO)
    if not paths:
        raise DataError(
            f"{folder}: no training data. Expected a metadata.csv, ESC-50, UrbanSound8K, or one folder of audio "
            "files for each label; name the right folder with --data."
        )
    return [_of_label_folder(path, folder.name) for path in paths]


def listings(folders: Sequence[Path], work: Path) -> list[Path]:
    """A metadata.csv of each folder, for the scene maker: the folder's own, or one that is written to `work`."""
    return [
        folder / "metadata.csv"
        if (folder / "metadata.csv").is_file()
        else _listed(folder, work / f"listing{number}.csv")
        for number, folder in enumerate(folders)
    ]


def _of_label_folder(path: Path, dataset: str) -> Recording:
    source = path.stem.partition(CUT)[0]
    fold = 1 + int(hashlib.sha256(source.encode()).hexdigest(), 16) % FOLDS
    return Recording(path, (path.parent.name,), fold, dataset, source)


def _listed(folder: Path, listing: Path) -> Path:
    recordings = read_any(folder)
    listing.parent.mkdir(parents=True, exist_ok=True)
    with listing.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "dataset", "label", "fold", "source_id"))
        writer.writerows((r.path.resolve(), r.dataset, r.labels[0], r.fold, r.source) for r in recordings)
    return listing


def _rows(listing: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with listing.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{listing}: no column {', '.join(missing)}. Get the listing from its publisher again.")
            for row in reader:
                if not _is_fold(row["fold"]):
                    raise DataError(
                        f"{listing}, line {reader.line_num}: fold {row['fold']!r}; a fold is a whole number from 1 to "
                        f"{MOST_FOLDS}. Correct that line."
                    )
                yield row
    except OSError as err:
        raise DataError(f"{listing}: cannot be read ({err.strerror}). Name the data's folder with --data.") from err


def _is_fold(text: str | None) -> bool:
    return text is not None and text.strip().isdecimal() and 1 <= int(text) <= MOST_FOLDS
