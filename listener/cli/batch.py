"""Classify many files, in this process or in several."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from listener import messages
from listener.cli import common
from listener.daemon.build import build_pipeline
from listener.errors import ClassifierError, SourceError
from listener.messages import Event
from listener.pipeline.classifier import Classifier
from listener.pipeline.clipper import ClipConfig, Clipper
from listener.pipeline.features import LogMel
from listener.pipeline.framer import frames_of
from listener.pipeline.gates import OpenGate
from listener.pipeline.values import Block, Frames
from listener.sources.recording import read_blocks

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
AHEAD = 4  # files per process that wait for their turn or for being printed


@dataclass(frozen=True, slots=True)
class Job:
    """How to classify every file."""

    config: Path | None = None
    overrides: tuple[str, ...] = ()
    with_scores: bool = False  # mean scores in place of events


@dataclass(slots=True)
class FileResult:
    """What was found in a file."""

    name: str
    audio_s: float = 0.0
    events: list[Event] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    errors: list[SourceError] = field(default_factory=list)  # a damaged file may have events as well

    @property
    def is_readable(self) -> bool:
        """Whether any of it could be read."""
        return bool(self.audio_s) or not self.errors


class FileClassifier:
    """Classifies files one after the other.

    Raises:
        ConfigError: The configuration is wrong.
        BundleError: The model cannot be used.
    """

    def __init__(self, job: Job) -> None:
        self._setup = common.read(job.config, job.overrides)
        self._classifier = Classifier(self._setup.bundle, self._setup.config.model.providers)
        self._with_scores = job.with_scores

    def __call__(self, path: str) -> FileResult:
        """Classify a file. Errors are part of the result."""
        result = FileResult(messages.printable(path))
        frames = frames_of(self._blocks(path, result), self._setup.bundle.features.sample_rate)
        if self._with_scores:
            result.scores = self._scores(frames)
        else:
            result.events = self._events(frames, result.name)
        return result

    def _events(self, frames: Iterator[Frames], name: str) -> list[Event]:
        """The events in the order of detection, each as one message without a phase."""
        setup = self._setup
        loop = build_pipeline(setup.config, setup.bundle, self._classifier.stream(), name)
        latest = {event.id: event for event in loop.events(frames)}
        return sorted((messages.whole(event) for event in latest.values()), key=lambda event: event.detected_s)

    def _scores(self, audio: Iterator[Frames]) -> dict[str, float]:
        """The mean probability of every label over all clips: one per hop, the gate bypassed."""
        bundle, spec = self._setup.bundle, self._setup.bundle.features
        clips_config = ClipConfig(hop_s=self._setup.config.clips.hop_s, first_s=spec.clip_samples / spec.sample_rate)
        clipper = Clipper(spec, clips_config, hang_over_s=0)
        featurise, classify, gate = LogMel(spec, bundle.filters), self._classifier.stream(), OpenGate()
        pushed = (clipper.push(frames, gate(frames), held=lambda: False) for frames in audio)
        total, clips = np.zeros(len(bundle.labels)), 0
        for clip in chain(chain.from_iterable(pushed), clipper.finish()):
            total += classify(featurise(clip)).scores
            clips += 1
        mean = (total / max(clips, 1)).tolist()
        return {label: round(score, 5) for label, score in zip(bundle.labels, mean, strict=True)}

    def _blocks(self, path: str, result: FileResult) -> Iterator[Block]:
        try:
            for block in read_blocks(Path(path)):
                result.audio_s = (block.start + len(block.pcm)) / block.rate
                yield block
        except SourceError as err:
            result.errors.append(err)


def find_files(paths: Iterable[str]) -> Iterator[str | SourceError]:
    """Yield the files among the paths, and the audio files in the folders among them, sorted.

    A folder that cannot be read is yielded as an error, after the files that were found.
    """
    for path in paths:
        if not Path(path).is_dir():
            yield path
            continue
        errors: list[OSError] = []
        for folder, folders, names in os.walk(path, onerror=errors.append):
            folders.sort()
            yield from (str(Path(folder, name)) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
        for err in errors:
            yield SourceError(f"{err.filename}: cannot be read ({err.strerror})", code="classify-folder")


def classify_files(files: Sequence[str], job: Job, processes: int) -> Iterator[FileResult]:
    """Yield the result of each file, in order.

    Raises:
        ClassifierError: A process was killed.
    """
    if processes == 1:
        yield from map(FileClassifier(job), files)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy threads of the libraries in unknown states
    waiting: deque[Future[FileResult]] = deque()
    try:
        with ProcessPoolExecutor(processes, context, _start_worker, (job,)) as pool:
            for file in files:
                with _without_interrupts():
                    waiting.append(pool.submit(_classify, file))
                if len(waiting) > AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool as err:
        raise ClassifierError(
            "a process that classifies was killed", code="classify-killed", remedy="Use fewer --jobs to save memory."
        ) from err


_workers: list[FileClassifier] = []  # of a process of the pool: one


def _start_worker(job: Job) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _workers.append(FileClassifier(job))


def _classify(path: str) -> FileResult:
    return _workers[0](path)


def _end_with_parent() -> None:
    """End this process when its parent has ended, which may have been killed."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore ctrl-c, which the terminal sends to them as well: their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
