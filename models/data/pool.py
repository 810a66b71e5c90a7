"""A pool of mixed clips, made once and learned from many times: python -m models.data.pool

Mixing, features and the teacher's opinion cost more than a training step, and every training that leaves out a
fold, a data set or some labels can use the same clips: each clip's sounds are of one fold. While training runs,
clips are added to each other and changed further (`models.training.regularise`), so that none is heard twice alike.
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
from dataclasses import asdict, dataclass
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
from models.data.frontend import mel_filters
from models.data.mixing import FRAMES, UNDERNEATH, Mixer
from models.data.placing import place
from models.data.recordings import DataError, Recording, read_all
from models.data.rooms import room_noise
from models.data.synthesis import STANDARD, synthesise
from models.evaluation.scoring import FRONT
from models.evaluation.yamnet import CLASSES, PEER, Peer, windows_in
from models.training.command import command
from models.training.recipe import AKIN, BEEPING, LABELS, NOISE_LIKE, Mixing

log = logging.getLogger(__name__)

DATA = Path("..") / "shared" / "data"
CACHE = Path("runs") / "cache"
SHARD = 500  # clips
INDEX = "pool.json"
BIGGEST_FOLD = 2.0  # a fold is heard by the root of its recordings, but at most so much more often than the smallest


@dataclass(frozen=True, slots=True)
class Pool:
    """Clips and what is to be said of them; arrays are mapped from disk.

    `teacher` is (clips, windows, CLASSES) int8, of no clip where there was no teacher.
    """

    mel: NDArray[np.float16]  # (clips, mels, columns), normalised
    targets: NDArray[np.bool_]  # (clips, labels)
    known: NDArray[np.bool_]  # (clips, labels)
    frames: NDArray[np.uint8]  # (clips, labels, FRAMES / 8), packed bits
    teacher: NDArray[np.int8]
    fold: NDArray[np.uint8]  # (clips,)
    foreign: NDArray[np.bool_]  # (clips, datasets): which data sets gave something
    datasets: tuple[str, ...]
    filters: Floats
    labels: tuple[str, ...] = ()  # their names

    def without(self, folds: Sequence[int], datasets: Sequence[str], labels: Sequence[int]) -> NDArray[np.int64]:
        """The numbers of the clips that have nothing of some folds, of some data sets, of some labels."""
        kept = ~np.isin(self.fold, folds)
        for name in datasets:
            if name in self.datasets:
                kept &= ~self.foreign[:, self.datasets.index(name)]
        for label in labels:
            kept &= ~(self.targets[:, label] | self._underneath(label))
        return np.flatnonzero(kept)

    def _underneath(self, label: int) -> NDArray[np.bool_]:
        """The clips (clips,) in which a label lies far below the sounds: unknown, and nothing akin is why."""
        name = self.labels[label] if self.labels else ""
        if name not in UNDERNEATH:
            return np.zeros(len(self.fold), bool)
        akin = [n for n, other in enumerate(self.labels) if {(name, other), (other, name)} & set(AKIN)]
        unknown: NDArray[np.bool_] = ~self.known[:, label] & ~self.targets[:, [label, *akin]].any(axis=1)
        return unknown


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a worker needs to fill a shard: everything, for it makes what it needs once and keeps it."""

    mixing: Mixing
    folder: Path
    bank: Bank
    folds: tuple[int, ...]  # of every shard
    datasets: tuple[str, ...]
    peer: Path | None


def open_pool(
    mixing: Mixing, folders: Sequence[Path], *, cache: Path = CACHE, peer: Path | None = None, workers: int = 1
) -> Pool:
    """The pool of a mixing and some folders of recordings; what is not there yet of it is made.

    `peer` is the teacher that listens to each clip, which takes longer than all the rest. DataError where it is to
    and cannot be run, and for labels without a sound.
    """
    found = read_all(folders)
    _check_labels(mixing, found, folders)
    recordings = [recording for recording in found if set(recording.labels) & set(mixing.labels)]
    folder = pool_folder(mixing, recordings, taught=peer is not None, cache=cache)
    with only_one(folder):
        if not (folder / INDEX).is_file():
            if peer:
                _check_teacher(peer)
            bank = training_bank(mixing, recordings, cache)
            _check_sounds(mixing, bank)
            datasets = tuple(sorted({sound.dataset for sound in bank.sounds}))
            _make(_Plan(mixing, folder, bank, _folds(mixing, bank), datasets, peer), workers)
    index = json.loads((folder / INDEX).read_text())
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy") if path.stem != "filters"}
    return Pool(
        **arrays,
        datasets=tuple(index["datasets"]),
        filters=np.load(folder / "filters.npy"),
        labels=tuple(index["labels"]),
    )


def pool_folder(mixing: Mixing, recordings: Sequence[Recording], *, taught: bool, cache: Path = CACHE) -> Path:
    """Where a pool lies: named by what it is made of, what is said of that, and the code that makes it."""
    code = sources(open_pool, Mixer, place, room_noise, open_bank, synthesise, mel_filters, LogMel)
    told = (mixing, AKIN, BEEPING, NOISE_LIKE, FRONT, taught, list(recordings))
    return cache / f"pool-{digest(*told, files=(*code, *(r.path for r in recordings)))}"


def training_bank(mixing: Mixing, recordings: Sequence[Recording], cache: Path = CACHE) -> Bank:
    """The sounds that are mixed: recordings of the labels, and what is synthesised."""
    return open_bank(recordings, _variants(mixing), mixing.seed, cache)


def _variants(mixing: Mixing) -> dict[str, int]:
    """How many sounds are synthesised of each label of which some are."""
    variants = dict.fromkeys(STANDARD, mixing.variants) | {"siren": mixing.siren_variants}
    return {label: count for label, count in variants.items() if label in mixing.labels and count}


def _check_labels(mixing: Mixing, found: Sequence[Recording], folders: Sequence[Path]) -> None:
    """DataError names labels that are given twice, and such as have no recording beside those that have some."""
    if twice := [label for label, times in Counter(mixing.labels).items() if times > 1]:
        raise DataError(f"--labels has {', '.join(twice)} more than once: name each label once.")
    there = {label for recording in found for label in recording.labels}
    missing = ", ".join(label for label in mixing.labels if label not in there | set(_variants(mixing)))
    if not missing:
        return
    where, has = ", ".join(map(str, folders)), ", ".join(sorted(there))
    if mixing.labels == LABELS:
        raise DataError(f"give --labels: {where} has {has}. Of the shipped model's labels it lacks {missing}.")
    raise DataError(f"{missing}: no recording in {where}; there are {has}. Correct --labels, or add --data.")


def _check_sounds(mixing: Mixing, bank: Bank) -> None:
    """DataError where a label has recordings, but none with a sound."""
    heard = {sound.label for sound in bank.sounds}
    if missing := ", ".join(label for label in mixing.labels if label not in heard):
        raise DataError(f"{missing}: no recording can be decoded, or all are silent. Record others, or leave it out.")


def _check_teacher(peer: Path) -> None:
    """A worker that cannot start is started again without end, so DataError comes before."""
    if not peer.is_file():
        raise DataError(f"{peer}: YAMNet, the teacher, is not here. Put it there, or do without: teacher_loss 0.")
    Peer(peer)


def _folds(mixing: Mixing, bank: Bank) -> tuple[int, ...]:
    """The fold of each shard: folds of many recordings are heard more often, by the root of their number."""
    sources = {(sound.fold, sound.dataset, sound.source) for sound in bank.sounds if sound.dataset != SYNTHESISED}
    folds = sorted({fold for fold, _, _ in sources}) or [EVERY_FOLD]
    weights = np.array([sum(1 for source in sources if source[0] == fold) for fold in folds]) ** 0.5
    weights = np.maximum(weights, weights.max() / BIGGEST_FOLD)
    upto = np.cumsum(weights / weights.sum())
    shards = -(-mixing.clips // SHARD)
    return tuple(folds[int(np.searchsorted(upto, (n * 0.6180339887498949) % 1))] for n in range(shards))


def _make(plan: _Plan, workers: int) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    filters = mel_filters(plan.mixing.spec)
    np.save(plan.folder / "filters.npy", filters)
    _create(plan)
    todo = [n for n in range(len(plan.folds)) if not (plan.folder / f"{n}.done").exists()]
    with multiprocessing.get_context("fork").Pool(workers, _prepare, (plan, filters)) as processes:
        for _ in tqdm(processes.imap_unordered(_fill, todo), "mixing", total=len(todo), unit="shard", mininterval=5):
            pass
    with whole(plan.folder / INDEX) as index:
        index.write(json.dumps(asdict(plan.mixing) | {"datasets": plan.datasets}).encode())


def _create(plan: _Plan) -> None:
    """The empty arrays, where an earlier run has not made them."""
    spec, labels, clips = plan.mixing.spec, len(plan.mixing.labels), len(plan.folds) * SHARD
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "mel": (np.float16, (clips, spec.mels, spec.columns)),
        "targets": (np.bool_, (clips, labels)),
        "known": (np.bool_, (clips, labels)),
        "frames": (np.uint8, (clips, labels, -(-FRAMES // 8))),
        "teacher": (np.int8, (clips if plan.peer else 0, windows_in(spec.clip_samples), CLASSES)),
        "fold": (np.uint8, (clips,)),
        "foreign": (np.bool_, (clips, len(plan.datasets))),
    }
    for name, (kind, shape) in shapes.items():
        path = plan.folder / f"{name}.npy"
        if not path.is_file():
            open_memmap(path, "w+", kind, shape).flush()


class _Worker:
    """One process's share of the work: what it needs is made once, mixers when their fold comes."""

    def __init__(self, plan: _Plan, filters: Floats) -> None:
        self._plan = plan
        self._log_mel = LogMel(plan.mixing.spec, filters)
        self._peer = Peer(plan.peer) if plan.peer else None
        names = ("mel", "targets", "known", "frames", "teacher", "fold", "foreign")
        self._arrays = {name: np.load(plan.folder / f"{name}.npy", mmap_mode="r+") for name in names}
        self._mixer = cache(lambda fold: Mixer(plan.mixing, plan.bank, fold))

    def fill(self, shard: int) -> None:
        """Mix the clips of a shard."""
        fold = self._plan.folds[shard]
        for number in range(shard * SHARD, (shard + 1) * SHARD):
            example = self._mixer(fold)(number)
            row = {
                "mel": self._log_mel.columns(example.samples),
                "targets": example.targets,
                "known": example.known,
                "frames": np.packbits(example.frames, axis=1),
                "fold": fold,
                "foreign": [name in example.datasets for name in self._plan.datasets],
            }
            if self._peer:
                row["teacher"] = self._peer.levels(example.dry)
            for name, value in row.items():
                self._arrays[name][number] = value
        (self._plan.folder / f"{shard}.done").touch()


_worker: list[_Worker] = []  # of this process


def _prepare(plan: _Plan, filters: Floats) -> None:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with librosa

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal: the parent ends its workers
    threadpool_limits(1)
    _worker[:] = [_Worker(plan, filters)]


def _fill(shard: int) -> None:
    _worker[0].fill(shard)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.data.pool", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument(
        "--clips",
        type=int,
        default=Mixing().clips,
        help=f"how many, rounded up to shards of {SHARD} (default %(default)s)",
    )
    ap.add_argument("--labels", nargs="+", help="labels to hear: names of folders (default: the shipped model's)")
    ap.add_argument("--teacher", action="store_true", help="have YAMNet listen to every clip, for teacher_loss")
    ap.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return command(lambda: _open(options))


def _open(options: argparse.Namespace) -> None:
    try:
        mixing = Mixing(clips=options.clips, labels=tuple(options.labels or Mixing().labels))
    except ValueError as err:
        raise DataError(f"{err}.") from err
    peer = PEER if options.teacher else None
    pool = open_pool(mixing, options.data or [DATA], peer=peer, workers=options.workers)
    if not len(pool.fold):
        raise DataError("the pool is empty: give --clips.")
    log.info("%d clips, teacher %s", len(pool.fold), "heard them" if len(pool.teacher) else "was not asked")


if __name__ == "__main__":
    sys.exit(main())
