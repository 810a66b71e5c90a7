"""Sounds decoded once: 16 kHz mono int16 in one flat file, so that the second run starts in seconds."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from listener.pipeline.values import Floats, Pcm
from models.data.caching import digest, only_one, sources, whole
from models.data.recordings import DataError, Recording
from models.data.synthesis import synthesise

log = logging.getLogger(__name__)

FRAME = 320  # samples: levels are kept for every 20 ms, and every sound starts on such a frame
ACTIVE_DB = 35.0  # below the loudest frame: what is quieter at the ends is cut away
SILENT_DB = -80.0  # a recording's loudest frame
SYNTHESISED = "synthesised"

EVERY_FOLD = 0  # of what is synthesised: there is more of it for the test, from other seeds

LEFT_OUT = "It is left out."
SECONDS = 9.0  # of a synthesised sound
COARSE_STEP = 1 / 128  # of recordings in eight bits, which are dithered

Entry = tuple[str, str, str, int, int, int, bool]  # label, dataset, source, fold, start, stop, free


@dataclass(frozen=True, slots=True)
class Sound:
    """Where one sound lies in the bank, in frames; only its active part counts."""

    label: str
    dataset: str
    source: str
    fold: int
    start: int
    stop: int
    peak_db: float  # of its loudest frame
    free: bool = False  # its licence lets anyone use weights trained on it


@dataclass(frozen=True, slots=True)
class Bank:
    """All sounds of a run. `pcm` is mapped from disk, `level_db` is float32 (frames,)."""

    pcm: Pcm
    level_db: Floats
    sounds: tuple[Sound, ...]

    def samples(self, sound: Sound) -> Floats:
        """The active part of a sound, float32 in -1..1."""
        return self.pcm[sound.start * FRAME : sound.stop * FRAME].astype(np.float32) / np.float32(32768)


def open_bank(recordings: Sequence[Recording], variants: dict[str, int], seed: int, cache: Path) -> Bank:
    """The bank of some recordings and of some synthesised variants of each label; made if missing.

    Files that cannot be read, or are silent, are named in the log and left out. DataError when nothing is left.
    """
    files = (*sources(open_bank, synthesise), *(r.path for r in recordings))
    name = digest(list(recordings), sorted(variants.items()), seed, files=files)
    pcm_path, index_path = cache / f"{name}.npy", cache / f"{name}.json"
    with only_one(cache / name):
        if not index_path.is_file():
            _make(recordings, variants, seed, pcm_path, index_path)
    pcm = np.load(pcm_path, mmap_mode="r")
    level_db = _levels_db(pcm)
    entries = json.loads(index_path.read_text())
    if not entries:
        some = ", ".join(str(recording.path) for recording in recordings[:3])
        raise DataError(
            f"no recording can be read, or all are silent: {some or 'there is none'}",
            code="bank-empty",
            remedy="Give others.",
        )
    return Bank(pcm, level_db, tuple(_active(entry, level_db) for entry in entries))


def decode(path: Path, rate: int) -> Floats:
    """A file's sound: mono at `rate`, float32. DataError says what is wrong with it."""
    try:
        with soundfile.SoundFile(path) as file:
            samples, source_rate = file.read(dtype="float32", always_2d=True), file.samplerate
            coarse = file.subtype in ("PCM_S8", "PCM_U8")
    except (OSError, soundfile.SoundFileError) as err:
        raise DataError(f"{path}: cannot be decoded ({err})", code="bank-undecodable", remedy=LEFT_OUT) from err
    if not len(samples):
        raise DataError(f"{path}: holds no sound", code="bank-no-samples", remedy=LEFT_OUT)
    mono = np.nan_to_num(samples.mean(axis=1))
    if coarse:  # or a label is known by the silence of its eight bits
        rng = np.random.default_rng(len(mono))
        mono = mono + (rng.random(len(mono), dtype=np.float32) - np.float32(0.5)) * np.float32(COARSE_STEP)
    resampled: Floats = mono if source_rate == rate else soxr.resample(mono, source_rate, rate)
    return resampled


def _make(
    recordings: Sequence[Recording], variants: dict[str, int], seed: int, pcm_path: Path, index_path: Path
) -> None:
    pieces: list[Pcm] = []
    entries: list[Entry] = []
    frames = 0
    for labels, dataset, source, fold, samples, free in _all(recordings, variants, seed):
        piece = _whole_frames(samples)
        count = len(piece) // FRAME
        entries += [(label, dataset, source, fold, frames, frames + count, free) for label in labels]
        pieces.append(piece)
        frames += count
    np.save(pcm_path, np.concatenate(pieces or [np.zeros(0, np.int16)]))
    with whole(index_path) as index:
        index.write(json.dumps(entries).encode())


def _all(
    recordings: Sequence[Recording], variants: dict[str, int], seed: int
) -> Iterable[tuple[Sequence[str], str, str, int, Floats, bool]]:
    for recording in tqdm(recordings, "decoding", unit="file"):
        try:
            samples = _audible(recording.path)
        except DataError as err:
            log.warning("%s", err)
            continue
        yield recording.labels, recording.dataset, recording.source, recording.fold, samples, recording.free
    for label, count in tqdm(variants.items(), "synthesising", unit="label"):
        for n in range(count):
            sound = 0.7 * synthesise(label, seed * 100_000 + n, SECONDS)
            yield (label,), SYNTHESISED, str(n), EVERY_FOLD, sound, True


def _audible(path: Path) -> Floats:
    samples = decode(path, 16_000)
    if _levels_db(_whole_frames(samples)).max() <= SILENT_DB:
        raise DataError(f"{path}: is silent", code="bank-silent", remedy=LEFT_OUT)
    return samples


def _whole_frames(samples: Floats) -> Pcm:
    """int16, padded with zeros to whole frames."""
    padded = np.zeros(-(-len(samples) // FRAME) * FRAME, np.int16)
    padded[: len(samples)] = np.clip(np.rint(samples * 32767), -32768, 32767)
    return padded


def _levels_db(pcm: Pcm) -> Floats:
    level_db = np.empty(len(pcm) // FRAME, np.float32)
    for start in range(0, len(level_db), 4096):  # a piece at a time: the whole is a gigabyte in float32
        stop = min(len(level_db), start + 4096)
        part = pcm[start * FRAME : stop * FRAME].reshape(-1, FRAME).astype(np.float32) / 32768
        level_db[start:stop] = 10 * np.log10(np.square(part).mean(axis=1) + 1e-10)
    return level_db


def _active(entry: Entry, level_db: Floats) -> Sound:
    label, dataset, source, fold, start, stop, free = entry
    levels = level_db[start:stop]
    peak_db = float(levels.max())
    loud = np.flatnonzero(levels > peak_db - ACTIVE_DB)
    return Sound(label, dataset, source, fold, start + int(loud[0]), start + int(loud[-1]) + 1, peak_db, free)
