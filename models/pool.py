"""A pool of mixed clips, made once and learned from many times: python -m models.pool

Mixing, features and the teacher's opinion cost more than a training step, and every training that leaves out a
fold, a data set or some labels can use the same clips: each clip's sounds are of one fold. While training runs,
clips are added to each other and changed further (`models.regularise`), so that none is heard twice alike.
"""

import argparse
import json
import logging
import multiprocessing
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tqdm import tqdm

from listener.features import LogMel
from listener.types import Floats
from models.bank import EVERY_FOLD, SYNTHESISED, Bank, open_bank
from models.caching import digest, only_one
from models.command import command
from models.data import DataError, Recording, read_any
from models.frontend import mel_filters
from models.mixing import FRAMES, Mixer
from models.peer import CLASSES, PEER, Peer, windows_in
from models.recipe import Mixing
from models.synthesis import STANDARD

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

    def without(self, folds: Sequence[int], datasets: Sequence[str], labels: Sequence[int]) -> NDArray[np.int64]:
        """The numbers of the clips that have nothing of some folds, of some data sets, of some labels."""
        kept = ~np.isin(self.fold, folds)
        for name in datasets:
            if name in self.datasets:
                kept &= ~self.foreign[:, self.datasets.index(name)]
        if labels:
            kept &= ~self.targets[:, list(labels)].any(axis=1)
        return np.flatnonzero(kept)


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

    `peer` is the teacher that listens to each clip, which takes longer than all the rest; where it is no file, none
    does. DataError where it cannot be run.
    """
    recordings = [r for folder in folders for r in read_any(folder) if set(r.labels) & set(mixing.labels)]
    peer = peer if peer and peer.is_file() else None
    name = digest(mixing, bool(peer), [str(r.path) for r in recordings], files=(r.path for r in recordings))
    folder = cache / f"pool-{name}"
    with only_one(folder):
        if not (folder / INDEX).is_file():
            if peer:
                Peer(peer)  # a worker that cannot start is started again without end
            bank = training_bank(mixing, recordings, cache)
            datasets = tuple(sorted({sound.dataset for sound in bank.sounds}))
            _make(_Plan(mixing, folder, bank, _folds(mixing, bank), datasets, peer), workers)
    index = json.loads((folder / INDEX).read_text())
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy") if path.stem != "filters"}
    return Pool(**arrays, datasets=tuple(index["datasets"]), filters=np.load(folder / "filters.npy"))


def training_bank(mixing: Mixing, recordings: Sequence[Recording], cache: Path = CACHE) -> Bank:
    """The sounds that are mixed: recordings of the labels, and what is synthesised."""
    variants = dict.fromkeys(STANDARD, mixing.variants) | {"siren": mixing.siren_variants}
    wanted = {label: count for label, count in variants.items() if label in mixing.labels and count}
    return open_bank(recordings, wanted, mixing.seed, cache)


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
    (plan.folder / INDEX).write_text(json.dumps(asdict(plan.mixing) | {"datasets": plan.datasets}))


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

    threadpool_limits(1)
    _worker[:] = [_Worker(plan, filters)]


def _fill(shard: int) -> None:
    _worker[0].fill(shard)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.pool", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--clips", type=int, default=Mixing().clips)
    ap.add_argument("--labels", nargs="+", help="labels to hear (default: the first model's)")
    ap.add_argument("--teacher", action="store_true", help="have YAMNet listen to every clip, for teacher_loss")
    ap.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    mixing = Mixing(clips=options.clips, labels=tuple(options.labels or Mixing().labels))
    peer = PEER if options.teacher else None
    return command(lambda: _say(open_pool(mixing, options.data or [DATA], peer=peer, workers=options.workers)))


def _say(pool: Pool) -> None:
    if not len(pool.fold):
        raise DataError("the pool is empty: give --clips.")
    log.info("%d clips, teacher %s", len(pool.fold), "heard them" if len(pool.teacher) else "not at hand")


if __name__ == "__main__":
    sys.exit(main())
