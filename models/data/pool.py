"""A pool of mixed streams, made once and learned from many times: python -m models.data.pool

Mixing, features and the teacher's answers cost more than a training step, and every training that leaves out a fold
or the recordings that are not free can use the same streams: the sounds of a stream are of one fold.
"""

import argparse
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tqdm import tqdm

from listener.pipeline.features import LogMel
from listener.pipeline.values import Floats
from models.data.bank import EVERY_FOLD, SYNTHESISED, Bank, open_bank
from models.data.caching import digest, only_one, sources, whole
from models.data.events import FRAMES, SAMPLES
from models.data.frontend import mel_filters
from models.data.labels import label_of
from models.data.mixing import DISTRACTORS, Mixing
from models.data.recordings import TESTS_ONLY, DataError, Recording, read_all
from models.data.streams import Acoustics, StreamMixer, make_acoustics
from models.data.synthesis import synthesise
from models.evaluation.yamnet import CLASSES, YAMNET, Yamnet, windows_in
from models.training.command import command

log = logging.getLogger(__name__)

DATA = Path("..") / "shared" / "data"
CACHE = Path("runs") / "cache"
RESPONSES = Path("more") / "ir"  # in a folder of recordings
ARRAYS = ("mel", "frames", "known", "teacher", "fold", "free", "foreign")
SHARD = 100  # streams
INDEX = "pool.json"
BIGGEST_FOLD = 6.0  # a fold is drawn by the root of its recordings, but at most this much more often than the smallest
NOTES = "fsdkaggle2018"  # single notes and drum strokes, which are not yet music


@dataclass(frozen=True, slots=True)
class Pool:
    """Streams and their targets; arrays are mapped from disk."""

    mel: NDArray[np.float16]  # (streams, mels, columns), normalised
    frames: NDArray[np.uint8]  # (streams, labels, FRAMES / 8), packed bits
    known: NDArray[np.uint8]  # (streams, labels, FRAMES / 8), packed bits
    teacher: NDArray[np.int8]  # (streams, windows, CLASSES); of no stream where there was no teacher
    fold: NDArray[np.uint8]  # (streams,)
    free: NDArray[np.bool_]  # (streams,): of free recordings only
    foreign: NDArray[np.bool_]  # (streams, datasets): which data sets gave something
    datasets: tuple[str, ...]
    filters: Floats
    labels: tuple[str, ...]
    folder: Path

    def without(self, folds: Sequence[int], datasets: Sequence[str], *, only_free: bool) -> NDArray[np.int64]:
        """The numbers of the streams that have nothing of some folds and data sets, perhaps only free recordings."""
        kept = ~np.isin(self.fold, folds)
        for name in datasets:
            if name in self.datasets:
                kept &= ~self.foreign[:, self.datasets.index(name)]
        return np.flatnonzero(kept & self.free if only_free else kept)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a worker needs to fill a shard."""

    mixing: Mixing
    folder: Path
    bank: Bank
    acoustics: Acoustics
    filters: Floats
    folds: tuple[int, ...]  # of every shard
    datasets: tuple[str, ...]
    teacher: Path | None


def open_pool(
    mixing: Mixing, folders: Sequence[Path], *, cache: Path = CACHE, teacher: Path | None = None, workers: int = 1
) -> Pool:
    """The pool of a mixing and some folders of recordings; what is missing of it is made.

    Raises:
        DataError: A label has no sound, or the teacher `teacher`, which hears each stream, cannot be run.
    """
    recordings = training_recordings(folders)
    folder = pool_folder(mixing, recordings, taught=teacher is not None, cache=cache)
    with only_one(folder):
        if not (folder / INDEX).is_file():
            if teacher:
                Yamnet(teacher)  # a worker that cannot start is started again without end, so DataError comes before
            _check_labels(mixing, recordings, folders)
            bank = open_bank(recordings, _variants(mixing), mixing.seed, cache)
            _check_sounds(mixing, bank)
            acoustics = make_acoustics(mixing, folders[0] / RESPONSES)
            datasets = tuple(sorted({sound.dataset for sound in bank.sounds}))
            plan = _Plan(
                mixing, folder, bank, acoustics, mel_filters(mixing.spec), _folds(mixing, bank), datasets, teacher
            )
            _make(plan, workers)
    return read_pool(folder)


def read_pool(folder: Path) -> Pool:
    """A finished pool."""
    index = json.loads((folder / INDEX).read_text())
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in (folder / f"{name}.npy" for name in ARRAYS)}
    datasets, labels = tuple(index["datasets"]), tuple(index["labels"])
    return Pool(**arrays, datasets=datasets, filters=np.load(folder / "filters.npy"), labels=labels, folder=folder)


def training_recordings(folders: Sequence[Path]) -> list[Recording]:
    """All recordings of some folders but those that are for tests alone; single notes have a label of their own."""
    return [
        replace(recording, labels=("note",)) if recording.dataset == NOTES else recording
        for recording in read_all(folders)
        if recording.licence not in TESTS_ONLY
    ]


def pool_folder(mixing: Mixing, recordings: Sequence[Recording], *, taught: bool, cache: Path = CACHE) -> Path:
    """Where a pool lies: named by what it is made of and by the code that makes it."""
    code = sources(open_pool, StreamMixer, make_acoustics, open_bank, synthesise, mel_filters, LogMel, label_of)
    return cache / f"pool-{digest(mixing, taught, list(recordings), files=(*code, *(r.path for r in recordings)))}"


def _variants(mixing: Mixing) -> dict[str, int]:
    """How many sounds are synthesised of each of the mixing's labels, and of distractors."""
    wanted = {*mixing.labels, *DISTRACTORS}
    return {label: count for label, count in mixing.variants.items() if label in wanted}


def _check_labels(mixing: Mixing, recordings: Sequence[Recording], folders: Sequence[Path]) -> None:
    if twice := [label for label, times in Counter(mixing.labels).items() if times > 1]:
        raise DataError(
            f"--labels has {', '.join(twice)} more than once",
            code="pool-labels-twice",
            remedy="Name each label once.",
        )
    there = {label_of(label) for recording in recordings for label in recording.labels} | set(_variants(mixing))
    if missing := ", ".join(label for label in mixing.labels if label not in there):
        where, has = ", ".join(map(str, folders)), ", ".join(sorted(there))
        raise DataError(
            f"{missing}: no recording in {where}; there are {has}",
            code="pool-label-missing",
            remedy="Correct --labels, or add --data.",
        )


def _check_sounds(mixing: Mixing, bank: Bank) -> None:
    sounding = {label_of(sound.label) for sound in bank.sounds}
    if missing := ", ".join(label for label in mixing.labels if label not in sounding):
        raise DataError(
            f"{missing}: no recording can be decoded, or all are silent",
            code="pool-label-silent",
            remedy="Record others, or leave the label out.",
        )


def _folds(mixing: Mixing, bank: Bank) -> tuple[int, ...]:
    """The fold of each shard, by the root of the fold's number of recordings."""
    found = {(sound.fold, sound.dataset, sound.source) for sound in bank.sounds if sound.dataset != SYNTHESISED}
    folds = sorted({fold for fold, _, _ in found}) or [EVERY_FOLD]
    weights = np.array([sum(1 for source in found if source[0] == fold) for fold in folds]) ** 0.5
    weights = np.maximum(weights, weights.max() / BIGGEST_FOLD)
    upto = np.cumsum(weights / weights.sum())
    shards = -(-mixing.streams // SHARD)
    return tuple(folds[int(np.searchsorted(upto, (n * 0.6180339887498949) % 1))] for n in range(shards))


def _make(plan: _Plan, workers: int) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    np.save(plan.folder / "filters.npy", plan.filters)
    _create(plan)
    todo = [n for n in range(len(plan.folds)) if not (plan.folder / f"{n}.done").exists()]
    with multiprocessing.get_context("fork").Pool(workers, _prepare, (plan,)) as processes:
        for _ in tqdm(processes.imap_unordered(_fill, todo), "mixing", total=len(todo), unit="shard", mininterval=5):
            pass
    with whole(plan.folder / INDEX) as index:
        index.write(json.dumps(asdict(plan.mixing) | {"datasets": plan.datasets}).encode())


def _create(plan: _Plan) -> None:
    """The empty arrays, where an earlier run has not made them."""
    labels, streams = len(plan.mixing.labels), len(plan.folds) * SHARD
    columns = LogMel(plan.mixing.spec, plan.filters).columns(np.zeros(SAMPLES, np.float32)).shape[1]
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "mel": (np.float16, (streams, plan.mixing.spec.mels, columns)),
        "frames": (np.uint8, (streams, labels, -(-FRAMES // 8))),
        "known": (np.uint8, (streams, labels, -(-FRAMES // 8))),
        "teacher": (np.int8, (streams if plan.teacher else 0, windows_in(SAMPLES), CLASSES)),
        "fold": (np.uint8, (streams,)),
        "free": (np.bool_, (streams,)),
        "foreign": (np.bool_, (streams, len(plan.datasets))),
    }
    for name, (kind, shape) in shapes.items():
        path = plan.folder / f"{name}.npy"
        if not path.is_file():
            open_memmap(path, "w+", kind, shape).flush()


class _Worker:
    """One process's share of the work: what it needs is made once, mixers when their fold comes."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._log_mel = LogMel(plan.mixing.spec, plan.filters)
        self._teacher = Yamnet(plan.teacher) if plan.teacher else None
        self._arrays = {name: np.load(plan.folder / f"{name}.npy", mmap_mode="r+") for name in ARRAYS}
        self._mixer = cache(lambda fold: StreamMixer(plan.mixing, plan.bank, fold, plan.acoustics))

    def fill(self, shard: int) -> None:
        """Mix the streams of a shard."""
        fold = self._plan.folds[shard]
        for number in range(shard * SHARD, (shard + 1) * SHARD):
            stream = self._mixer(fold)(number)
            row: dict[str, Any] = {
                "mel": self._log_mel.columns(stream.samples),
                "frames": np.packbits(stream.frames, axis=1),
                "known": np.packbits(stream.known, axis=1),
                "fold": fold,
                "free": stream.free,
                "foreign": [name in stream.datasets for name in self._plan.datasets],
            }
            if self._teacher:
                row["teacher"] = self._teacher.levels(stream.dry)
            for name, value in row.items():
                self._arrays[name][number] = value
        (self._plan.folder / f"{shard}.done").touch()


_worker: list[_Worker] = []  # of this process


def _prepare(plan: _Plan) -> None:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with librosa

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal: the parent ends its workers
    threadpool_limits(1)
    _worker[:] = [_Worker(plan)]


def _fill(shard: int) -> None:
    _worker[0].fill(shard)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.data.pool", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--streams", type=int, default=Mixing().streams, help=f"number, in shards of {SHARD}")
    ap.add_argument("--labels", nargs="+", help="labels to learn: names of folders (default: the shipped model's)")
    ap.add_argument("--no-teacher", action="store_true", help="do without YAMNet's answers")
    ap.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return command(lambda: _open(options))


def _open(options: argparse.Namespace) -> None:
    try:
        mixing = Mixing(streams=options.streams, labels=tuple(options.labels or Mixing().labels))
    except ValueError as err:
        raise DataError(str(err), code="pool-mixing", remedy="Correct the flag.") from err
    teacher = None if options.no_teacher else YAMNET
    pool = open_pool(mixing, options.data or [DATA], teacher=teacher, workers=options.workers)
    log.info("%d streams, %d of them of free recordings only", len(pool.fold), int(pool.free.sum()))


if __name__ == "__main__":
    sys.exit(main())
