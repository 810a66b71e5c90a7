"""What a network is asked about on a fold that it was not trained on: files, synthesised sounds, mixtures."""

import itertools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from tqdm import tqdm

from listener.pipeline.features import FeatureSpec, LogMel
from listener.pipeline.values import Floats
from models.data.bank import SYNTHESISED, decode
from models.data.caching import digest, only_one, sources, whole
from models.data.mixing import FRAMES
from models.data.pool import CACHE, Pool, open_pool
from models.data.recordings import DataError, Recording
from models.data.rooms import in_room, room_noise, room_response
from models.data.synthesis import STANDARD, synthesise
from models.evaluation.scoring import clips_of
from models.training.recipe import Mixing

log = logging.getLogger(__name__)

UNSEEN_SEED = 900_000  # synthesised sounds of training have seeds of 100,000 and on
SYNTHESISED_EACH = 60
AUDIBLE_S = 0.25
AT_ONCE = 256  # clips
MOST_CLIPS = 2000
MIXTURES = 24_000  # at most, of all folds
UNSEEN_MIXING = 1000  # added to the mixing's seed

Classify = Callable[[Floats], Floats]  # mels (clips, mels, columns) -> probabilities (clips, labels, …)


@dataclass(frozen=True, slots=True)
class Files:
    """Files of known label, as the clips that `listener classify --scores` makes of them."""

    labels: tuple[str, ...]
    datasets: tuple[str, ...]
    names: tuple[str, ...]
    mels: NDArray[np.float16]  # (clips, mels, columns)
    owner: NDArray[np.int64]  # (clips,) the file that each clip is of

    def scores(self, classify: Classify) -> Floats:
        """Probabilities (files, labels): the mean over a file's clips."""
        return self.mean(in_portions(classify, self.mels))

    def mean(self, said: Floats) -> Floats:
        """Of what was said of every clip (clips, …) the mean over a file's: (files, …)."""
        sums = np.zeros((len(self.labels), *said.shape[1:]), np.float32)
        np.add.at(sums, self.owner, said)
        clips = np.bincount(self.owner, minlength=len(self.labels))
        means: Floats = (sums.T / clips).T.astype(np.float32)
        return means


def read_files(recordings: Sequence[Recording], spec: FeatureSpec, filters: Floats, cache: Path = CACHE) -> Files:
    """The clips of some recordings, kept on disk for the next time. Files that cannot be read are left out."""
    name = digest(list(recordings), files=(*sources(decode), *(r.path for r in recordings)))
    return _gathered(_decoded(recordings, spec.sample_rate), name, spec, filters, cache)


def unseen_files(labels: Sequence[str], each: int, spec: FeatureSpec, filters: Floats, cache: Path = CACHE) -> Files:
    """So many synthesised sounds of each standard label among `labels`, none of which training has had."""
    wanted = [label for label in STANDARD if label in labels]
    sounds = ((f"{label} {n}", label, SYNTHESISED, unseen_sound(label, n)) for label in wanted for n in range(each))
    name = digest(wanted, each, files=sources(synthesise, room_noise))
    return _gathered(sounds, name, spec, filters, cache)


def unseen_sound(label: str, number: int, rate: int = 16_000) -> Floats:
    """A synthesised sound that training has not had, in a room and noise that it has not had: 3 to 6 s."""
    rng = np.random.default_rng([UNSEEN_SEED, number, *label.encode()])
    dry = _audible(label, number, float(rng.uniform(3, 6)), rate)
    wet = in_room(dry, room_response(rng, rate))
    level = float(np.sqrt(np.square(wet).mean())) * 10 ** (-rng.uniform(6, 40) / 20)
    heard = wet + np.float32(level) * room_noise(rng, len(wet), rate)
    peak = 10 ** (rng.uniform(-35, -3) / 20)
    return heard * np.float32(peak / np.abs(heard).max())


def unseen_mixtures(mixing: Mixing, folders: Sequence[Path], cache: Path = CACHE) -> Pool:
    """Mixtures as training's, but of synthesised sounds, rooms, noises and devices that no training has had.

    For a network that left a fold out, that fold's clips are new in all they are made of.
    """
    unseen = replace(mixing, seed=mixing.seed + UNSEEN_MIXING, clips=min(MIXTURES, mixing.clips))
    return open_pool(unseen, folders, cache=cache, workers=os.cpu_count() or 1)


def mixture_precision(
    answer: Callable[[Floats], tuple[Floats, Floats]], pool: Pool, fold: int, labels: Sequence[int]
) -> tuple[float, float]:
    """Mean average precision over the labels, of clips and of frames, in the pool's mixtures of a fold."""
    clips = mixtures_of(pool, fold, MOST_CLIPS)
    mel, known = pool.mel[clips], pool.known[clips][:, labels]
    answers = [answer(mel[start : start + AT_ONCE].astype(np.float32)) for start in range(0, len(mel), AT_ONCE)]
    said = np.concatenate([scores for scores, _ in answers])
    said_frames = np.concatenate([frames for _, frames in answers])[:, :, ::4]
    heard = np.unpackbits(pool.frames[clips], axis=2, count=FRAMES)[:, labels, ::4]
    of_clips = [_precision(pool.targets[clips, label], said[:, n], known[:, n]) for n, label in enumerate(labels)]
    of_frames = [
        _precision(heard[:, n].ravel(), said_frames[:, n].ravel(), np.repeat(known[:, n], heard.shape[2]))
        for n in range(len(labels))
    ]
    return float(np.nanmean(of_clips)), float(np.nanmean(of_frames))


def mixtures_of(pool: Pool, fold: int, most: int) -> NDArray[np.int64]:
    """The numbers of a pool's first clips of a fold. DataError where it has none."""
    clips = np.flatnonzero(pool.fold == fold)[:most]
    if not len(clips):
        raise DataError(f"fold {fold}: no mixture is of it. Train with more --clips, or leave out another fold.")
    return clips


def in_portions(classify: Classify, mels: NDArray[np.floating]) -> Floats:
    """What a network says of many clips."""
    portions = (mels[start : start + AT_ONCE].astype(np.float32) for start in range(0, len(mels), AT_ONCE))
    return np.concatenate([classify(portion) for portion in portions])


def _precision(truth: np.ndarray, said: Floats, known: np.ndarray) -> float:
    truth, said = truth[known], said[known]
    return float(average_precision_score(truth, said)) if truth.any() else float("nan")


def _decoded(recordings: Sequence[Recording], rate: int) -> Iterator[tuple[str, str, str, Floats]]:
    for recording in tqdm(recordings, "decoding", mininterval=5):
        try:
            samples = decode(recording.path, rate)
        except DataError as err:
            log.warning("%s", err)
            continue
        yield str(recording.path), recording.labels[0], recording.dataset, samples


def _gathered(
    sounds: Iterator[tuple[str, str, str, Floats]],
    name: str,
    spec: FeatureSpec,
    filters: Floats,
    cache: Path,
) -> Files:
    """The clips of sounds of that name, which depends on all that decides what they are."""
    code = sources(read_files, clips_of, LogMel)
    path = cache / f"files-{digest(name, spec, filters.tobytes(), files=code)}.npz"
    with only_one(path):
        if not path.is_file():
            _write(path, sounds, LogMel(spec, filters))
    with np.load(path) as arrays:
        words = {name: tuple(arrays[name].tolist()) for name in ("labels", "datasets", "names")}
        return Files(**words, mels=arrays["mels"], owner=arrays["owner"])


def _write(path: Path, sounds: Iterator[tuple[str, str, str, Floats]], log_mel: LogMel) -> None:
    rows: list[tuple[str, str, str]] = []
    mels: list[NDArray[np.float16]] = []
    owner: list[int] = []
    for name, label, dataset, samples in sounds:
        clips = clips_of(samples, log_mel.spec)
        mels += [log_mel.columns(clip).astype(np.float16) for clip in clips]
        owner += [len(rows)] * len(clips)
        rows.append((name, label, dataset))
    if not rows:
        raise DataError("no file could be read: there is nothing to evaluate.")
    names, labels, datasets = zip(*rows, strict=True)
    with whole(path) as file:
        np.savez(file, names=names, labels=labels, datasets=datasets, mels=np.stack(mels), owner=owner)


def _audible(label: str, number: int, duration_s: float, rate: int) -> Floats:
    """A dry sound of which at least AUDIBLE_S is heard: alarms may start in their pause, and T4's is 5 s long."""
    for attempt in itertools.count():
        dry = synthesise(label, UNSEEN_SEED + number + 1000 * attempt, duration_s, rate)
        if (np.abs(dry) > 0.05).sum() > AUDIBLE_S * rate:
            return dry
    raise AssertionError
