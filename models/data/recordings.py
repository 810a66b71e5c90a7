"""Labelled recordings in four layouts: our metadata.csv, ESC-50, UrbanSound8K, and one folder for each label."""

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from listener.errors import ListenerError

ESC_10 = (
    "dog", "rooster", "rain", "sea_waves", "crackling_fire", "crying_baby", "sneezing", "clock_tick", "helicopter",
    "chainsaw",
)  # fmt: skip
# Classes of ESC-50 that have another name here.
ESC_50 = {
    "dog": "dog_bark", "crackling_fire": "fire_crackling", "crying_baby": "baby_cry", "sneezing": "sneeze",
    "cat": "cat_meow", "chirping_birds": "bird_song", "thunderstorm": "thunder", "coughing": "cough",
    "laughing": "laughter", "brushing_teeth": "toothbrushing", "drinking_sipping": "drinking",
    "door_wood_knock": "door_knock", "door_wood_creaks": "door_creak", "clock_alarm": "alarm_clock",
    "glass_breaking": "glass_break",
}  # fmt: skip
# The kinds that libsndfile recognises by themselves; not .mat or .raw, which are seldom sound.
AUDIO = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".voc",
)  # fmt: skip
FOLDS = 5  # of a plain folder
MOST_FOLDS = 255  # a pool keeps a fold in eight bits; 0 means every fold
FREE = ("cc0", "cc by", "cc-by", "cc by 3.0", "cc by 4.0", "public domain")
TESTS_ONLY = ("royalty free (BigSoundBank)",)
CUT = "~"  # in a file's name: the part before it names the recording that the file was cut from


class DataError(ListenerError):
    """Training data is missing, or not as described."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An audio file and its labels. Cuts of one recording share their source, and so a fold."""

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
    """The recordings of a folder in any of the four layouts. DataError if it has none."""
    return _reader(folder)(folder)


def counted(recordings: Sequence[Recording], labels: Collection[str]) -> str:
    """A line that says how many recordings each of some labels has, and which labels are not used."""
    counts = Counter(label for recording in recordings for label in recording.labels)
    used, others = (
        ", ".join(f"{label} {count}" for label, count in sorted(counts.items()) if (label in labels) == wanted)
        for wanted in (True, False)
    )
    return f"recordings: {used or 'none'}" + (f"; of other labels: {others}" if others else "")


def passed_over(folder: Path) -> str:
    """A line about the files in label folders that are not audio, or nothing. Hidden files do not count."""
    if _reader(folder) is not read_label_folders:
        return ""
    taken = set(_in_label_folders(folder))
    files = [path for path in folder.rglob("[!.]*") if path.is_file() and path not in taken]
    kinds = Counter(path.suffix.lower() or "no suffix" for path in files)
    listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return f"{folder}: {_files(len(files))} ignored ({listed}); {_layout(folder)} are read" if files else ""


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
            row.get("licence") or "",
        )
        for row in rows
    ]


def read_esc50(folder: Path) -> list[Recording]:
    """ESC-50 as published. The ten classes that are ESC-10 are a data set of their own."""
    rows = _rows(folder / "meta" / "esc50.csv", ("filename", "fold", "category", "src_file"))
    return [
        Recording(
            folder / "audio" / row["filename"],
            (ESC_50.get(row["category"], row["category"]),),
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

    `park~1.wav` and `park~2.wav` are cut from one recording, `park`; a file's fold is a hash of that name.
    """
    paths = _in_label_folders(folder)
    if not paths:
        raise _none_in(folder)
    return [_of_label_folder(path, folder.name) for path in paths]


def _reader(folder: Path) -> Callable[[Path], list[Recording]]:
    """The reader for a folder, by the listing in it."""
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


def _none_in(folder: Path) -> DataError:
    """Why a folder has no recordings in folders of labels."""
    if here := _audio(folder, "*"):
        found = f"found {_files(len(here), 'audio ')} in {folder} itself"
        return DataError(f"{folder}: {found}", code="data-layout", remedy=f"Put them in {folder}/<label>/.")
    if below := _audio(folder, "*/*/**/*"):
        found = f"found {_files(len(below), 'audio ')}, but deeper than {_layout(folder)}"
        remedy = f"A file's label is its folder; give --data the folder above: {below[0].parent.parent}, perhaps."
        return DataError(f"{folder}: {found}", code="data-layout", remedy=remedy)
    return DataError(
        f"{folder}: no training data",
        code="data-missing",
        remedy="Name a folder with --data that has a metadata.csv, ESC-50, UrbanSound8K, or one folder of audio files "
        f"({' '.join(AUDIO)}) for each label.",
    )


def _layout(folder: Path) -> str:
    return f"{folder}/<label>/*.wav and the like"


def _files(count: int, kind: str = "") -> str:
    return f"{count} {kind}file{'s' * (count != 1)}"


def _of_label_folder(path: Path, dataset: str) -> Recording:
    source = path.stem.partition(CUT)[0]
    fold = 1 + int(hashlib.sha256(source.encode()).hexdigest(), 16) % FOLDS
    return Recording(path, (path.parent.name,), fold, dataset, source)


def _rows(listing: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The lines of a listing, each with all of the columns; also as spreadsheets save it, with a byte order mark."""
    needs = f"A listing needs the columns {', '.join(columns)}, separated by commas, in UTF-8."
    try:
        with listing.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
                raise DataError(f"{listing}: no column {', '.join(missing)}", code="listing-column", remedy=needs)
            for row in reader:
                where = f"{listing}, line {reader.line_num}"
                if empty := [column for column in columns if not (row[column] or "").strip()]:
                    raise DataError(f"{where}: no {', '.join(empty)}", code="listing-empty", remedy=needs)
                if not _is_fold(row["fold"]):
                    remedy = f"Make it a whole number from 1 to {MOST_FOLDS}."
                    raise DataError(f"{where}: fold {row['fold']!r}", code="listing-fold", remedy=remedy)
                yield row
    except UnicodeDecodeError as err:
        raise DataError(f"{listing}: not UTF-8", code="listing-encoding", remedy="Save it as CSV UTF-8.") from err
    except csv.Error as err:
        raise DataError(f"{listing}: not CSV ({err})", code="listing-csv", remedy=needs) from err
    except OSError as err:
        remedy = "Name the folder of the data with --data."
        raise DataError(f"{listing}: {err.strerror}", code="listing-unreadable", remedy=remedy) from err


def _is_fold(text: str) -> bool:
    return text.strip().isdecimal() and 1 <= int(text) <= MOST_FOLDS
