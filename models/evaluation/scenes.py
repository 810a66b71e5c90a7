"""Long recordings of a fold's sounds with known events, and what a bundle reports in them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import soundfile

from models.data.caching import digest
from models.data.labels import label_of
from models.data.mixing import VARIANTS
from models.data.recordings import Recording
from models.data.synthesis import GENERATORS, synthesise
from models.evaluation.bundle_runner import RATE, BundleRunner, read_pcm
from models.evaluation.event_matching import EventScore, TrueEvent, match, read_truth
from models.evaluation.scene_maker import LabelledClip, SceneSettings, write

Job = TypeVar("Job")
Done = TypeVar("Done")

Part = Literal["all", "first", "second"]
UNSEEN_SEED = 900_000  # synthesised sounds of training have seeds of 100,000 and on
CLIP_S = 8.0
PARTS: tuple[Part, ...] = ("all", "first", "second")
EACH = 12  # synthesised clips of each label


@dataclass(frozen=True, slots=True)
class SceneFile:
    """A recording, its true events, and its length."""

    path: Path
    truth: list[TrueEvent]
    hours: float


def clips_of(
    recordings: Sequence[Recording], labels: Sequence[str], fold: int, work: Path, part: Part = "all"
) -> list[LabelledClip]:
    """The recordings of a fold under the bundle's labels, and synthesised sounds that training has not had.

    A half of a fold has all cuts of one recording or none. Thresholds fitted on one half are reported on the other.
    """
    found = [
        LabelledClip(recording.path, str(recording.path), label_of(recording.labels[0]))
        for recording in recordings
        if recording.fold == fold and label_of(recording.labels[0]) in labels and in_part(recording.source, part)
    ]
    made = [label for label in labels if label in GENERATORS and label in VARIANTS]
    first = 1000 * fold + 100 * PARTS.index(part)
    return [*found, *(clip for label in made for clip in _synthesised(label, work, first))]


def in_part(source: str, part: Part) -> bool:
    """Whether a recording is in a part of its fold."""
    if part == "all":
        return True
    even = int(hashlib.sha256(source.encode()).hexdigest(), 16) % 2 == 0
    return even == (part == "first")


def make(
    out: Path, clips: Sequence[LabelledClip], seeds: Sequence[int], *, minutes: float, per_minute: float, rooms: Path
) -> list[SceneFile]:
    """Scenes of these seeds, those with an odd one over recorded rooms; scenes that would be the same are kept."""
    out.mkdir(parents=True, exist_ok=True)
    files = [*(clip.file for clip in clips), *(sorted(rooms.iterdir()) if rooms.is_dir() else ())]
    content = digest([clip.name for clip in clips], minutes, per_minute, files=files)

    def made(seed: int) -> SceneFile:
        path, mark = out / f"scene{seed}", out / f"scene{seed}.digest"
        if not mark.is_file() or mark.read_text() != content:
            background = rooms if seed % 2 and rooms.is_dir() else None
            settings = SceneSettings(minutes=minutes, per_minute=per_minute, background=background, seed=seed)
            write(path, clips, settings)
            mark.write_text(content)
        truth = json.loads(path.with_suffix(".json").read_text())
        return SceneFile(path.with_suffix(".wav"), read_truth(truth), truth["duration_s"] / 3600)

    return side_by_side(made, seeds)


def score(runner: BundleRunner, scenes: Sequence[SceneFile]) -> dict[str, Any]:
    """The figures of a bundle's events in scenes."""
    total = EventScore()
    reported = side_by_side(lambda scene: runner.events(*read_pcm(scene.path)), scenes)
    for scene, events in zip(scenes, reported, strict=True):
        total.add(match(events, scene.truth), 3600 * scene.hours)
    return total.report()


def side_by_side(work: Callable[[Job], Done], jobs: Iterable[Job]) -> list[Done]:
    """The results of some jobs, in their order, one on every core: networks do not hold Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(work, jobs))


def _synthesised(label: str, work: Path, first: int) -> list[LabelledClip]:
    work.mkdir(parents=True, exist_ok=True)
    clips = []
    for number in range(first, first + EACH):
        path = work / f"{label}-{number:03d}.flac"
        if not path.is_file():
            soundfile.write(path, 0.7 * synthesise(label, UNSEEN_SEED + number, CLIP_S, RATE), RATE)
        clips.append(LabelledClip(path, path.name, label))
    return clips
