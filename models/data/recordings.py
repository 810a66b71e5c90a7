"""Labelled recordings, wherever they are listed: our metadata.csv, ESC-50, UrbanSound8K, a folder of label folders."""

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
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
# What libsndfile reads without being told more; not .mat, .raw and the like, which are seldom sound.
AUDIO = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".voc",
)  # fmt: skip
FOLDS = 5  # of a plain folder
MOST_FOLDS = 255  # a pool keeps a fold in eight bits; 0 is of what belongs to every fold
FREE = ("cc0", "cc by", "cc-by", "cc by 3.0", "cc by 4.0", "public domain")
TESTS_ONLY = ("royalty free (BigSoundBank)",)
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
    licence: str = ""

    @property
    def free(self) -> bool:
        """Whether weights trained on it may be used by anyone, with attribution."""
        return self.licence.lower() in FREE


def read_all(folders: Sequence[Path]) -> list[Recording]:
    """The recordings of some folders, one after another."""
    return [recording for folder in folders for recording in read_any(folder)]


def read_any(folder: Path) -> list[Recording]:
    """The recordings of a folder, whichever of the four layouts it has. DataError when it has none."""
    return _reader(folder)(folder)


def counted(recordings: Sequence[Recording], labels: Collection[str]) -> str:
    """A line that says how many recordings each of some labels has, and which labels are left aside."""
    counts = Counter(label for recording in recordings for label in recording.labels)
    used, aside = (
        ", ".join(f"{label} {count}" for label, count in sorted(counts.items()) if (label in labels) == wanted)
        for wanted in (True, False)
    )
    return f"recordings: {used or 'none'}" + (
        f"; left aside, for they are not among the labels: {aside}" if aside else ""
    )


def passed_over(folder: Path) -> str:
    """A line about the files of label folders that are no recordings, or nothing; hidden files do not count."""
    if _reader(folder) is not read_label_folders:
        return ""
    taken = set(_in_label_folders(folder))
    files = [path for path in folder.rglob("[!.]*") if path.is_file() and path not in taken]
    kinds = Counter(path.suffix.lower() or "without an ending" for path in files)
    said = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return f"{folder}: {_files(len(files))} passed over ({said}); read are {_layout(folder)}" if files else ""


def read_metadata(folder: Path) -> list[Recording]:
    """Recordings of a folder with a metadata.csv of at least path, dataset, label and fold; perhaps source_id."""
    rows = _rows(folder / "metadata.csv", ("path", "dataset", "label", "fold"))
    return [
        Recording(
            folder / row["path"],
            (row["label"],),
            int(row["fold"]),
            row["dataset"],
            row.get("source_id") or row["path"],
            row.get("licence") or "",
        )
        for row in rows
    ]


def read_esc50(folder: Path) -> list[Recording]:
    """ESC-50 as published. The ten classes that are ESC-10 are a data set of their own, under our names."""
    rows = _rows(folder / "meta" / "esc50.csv", ("filename", "fold", "category", "src_file"))
    return [
        Recording(
            folder / "audio" / row["filename"],
            (ESC_10.get(row["category"], row["category"]),),
            int(row["fold"]),
            "esc10" if row["category"] in ESC_10 else "esc50",
            row["src_file"],
        )
        for row in rows
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
    paths = _in_label_folders(folder)
    if not paths:
        raise DataError(_none_in(folder))
    return [_of_label_folder(path, folder.name) for path in paths]


def listings(folders: Sequence[Path], work: Path) -> list[Path]:
    """A metadata.csv of each folder, for the scene maker: the folder's own, or one that is written to `work`."""
    return [
        folder / "metadata.csv"
        if (folder / "metadata.csv").is_file()
        else _listed(folder, work / f"listing{number}.csv")
        for number, folder in enumerate(folders)
    ]


def _reader(folder: Path) -> Callable[[Path], list[Recording]]:
    """What reads a folder: by the listing that lies there, or none."""
    layouts: tuple[tuple[str, Callable[[Path], list[Recording]]], ...] = (
        ("metadata.csv", read_metadata),
        ("meta/esc50.csv", read_esc50),
        ("metadata/UrbanSound8K.csv", read_urbansound8k),
    )
    return next((read for listing, read in layouts if (folder / listing).is_file()), read_label_folders)


def _in_label_folders(folder: Path) -> list[Path]:
    return _audio(folder, "*/*")


def _audio(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in AUDIO)


def _none_in(folder: Path) -> str:
    """Why a folder has no recordings in folders of labels."""
    if here := _audio(folder, "*"):
        return f"{folder}: found {_files(len(here), 'audio ')} in {folder} itself; put them in {folder}/<label>/."
    if below := _audio(folder, "*/*/**/*"):
        return (
            f"{folder}: found {_files(len(below), 'audio ')}, but deeper than {_layout(folder)}. A file's label is its "
            f"folder, --data the folder above that: {below[0].parent.parent}, perhaps."
        )
    return (
        f"{folder}: no training data. Expected a metadata.csv, ESC-50, UrbanSound8K, or one folder of audio "
        f"files ({' '.join(AUDIO)}) for each label; name the right folder with --data."
    )


def _layout(folder: Path) -> str:
    return f"{folder}/<label>/*.wav and the like"


def _files(count: int, kind: str = "") -> str:
    return f"{count} {kind}file{'s' * (count != 1)}"


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
    """The lines of a listing, each with all of the columns; those of ours and of strangers, as a spreadsheet saves."""
    needs = f"it needs {', '.join(columns)}, separated by commas"
    try:
        with listing.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
                raise DataError(f"{listing}: no column {', '.join(missing)}; {needs}.")
            for row in reader:
                where = f"{listing}, line {reader.line_num}"
                if empty := [column for column in columns if not (row[column] or "").strip()]:
                    raise DataError(f"{where}: no {', '.join(empty)}; {needs}. Correct that line.")
                if not _is_fold(row["fold"]):
                    raise DataError(
                        f"{where}: fold {row['fold']!r}; a fold is a whole number from 1 to {MOST_FOLDS}. Correct that "
                        "line."
                    )
                yield row
    except UnicodeDecodeError as err:
        raise DataError(f"{listing}: is not in UTF-8. Save it as CSV UTF-8.") from err
    except csv.Error as err:
        raise DataError(f"{listing}: is no CSV ({err}); {needs}.") from err
    except OSError as err:
        raise DataError(f"{listing}: cannot be read ({err.strerror}). Name the data's folder with --data.") from err


def _is_fold(text: str) -> bool:
    return text.strip().isdecimal() and 1 <= int(text) <= MOST_FOLDS
