"""The real pipeline over long mixed recordings with known events.

`clips` writes synthesised sounds with a metadata.csv, for make_scene.py's second --metadata; `score` makes the
standard scenes, runs gate, clips, model and tracker over them, and has score_events.py judge what came out.
"""

import argparse
import csv
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import soundfile

from listener import config as configuration
from listener import messages
from listener.daemon.build import build_pipeline
from listener.pipeline import bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import frames_of
from listener.pipeline.values import Block, Features, Frames, Prediction
from models.data.bank import SYNTHESISED
from models.data.caching import digest
from models.data.pool import DATA
from models.data.recordings import DataError
from models.data.synthesis import STANDARD, synthesise
from models.evaluation.test_split import UNSEEN_SEED
from models.training.command import command

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Done = TypeVar("Done")

TOOLS = Path("..") / "shared" / "tools"
RATE = 16_000
CLIP_S = 6.0  # as long as make_scene.py takes of any
MINUTES = 20.0  # of a standard scene
SCENES_SEED = UNSEEN_SEED + 50_000  # neither training's sounds nor evaluation's


def write_clips(
    out: Path, each: int, fold: int, *, labels: Sequence[str] = STANDARD, duration_s: float = CLIP_S, first: int = 0
) -> Path:
    """Dry synthesised clips of some labels, numbered from `first`; the path of their metadata.csv."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for label in labels:
        for number in range(first, first + each):
            path = out / f"{label}-{number:03d}.flac"
            soundfile.write(path, 0.7 * synthesise(label, SCENES_SEED + number, duration_s, RATE), RATE)
            rows.append({"path": path.name, "dataset": SYNTHESISED, "label": label, "fold": str(fold)})
    listing = out / "metadata.csv"
    with listing.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, ("path", "dataset", "label", "fold"))
        writer.writeheader()
        writer.writerows(rows)
    return listing


def make(
    work: Path,
    metadata: Sequence[Path],
    *,
    seeds: Sequence[int],
    minutes: float,
    fold: int,
    more: Sequence[str] = (),
    tool: Path = TOOLS / "make_scene.py",
) -> list[Path]:
    """Scenes of these seeds from a fold's clips, as paths without ending; those that would be the same are kept.

    `more` are further words for make_scene.py.
    """
    work.mkdir(parents=True, exist_ok=True)
    listings = [word for path in metadata for word in ("--metadata", str(path))]
    heard = digest(files=(tool, *metadata, *_clips(metadata)))

    def made(seed: int) -> Path:
        scene = work / f"scene{seed}"
        words = [*listings, "--folds", str(fold), "--minutes", f"{minutes:g}", "--seed", str(seed), *more]
        _make_scene(tool, scene, words, heard)
        return scene

    return side_by_side(made, seeds)


def score(folder: Path, scenes: Sequence[Path]) -> Any:
    """What score_events.py says of a bundle on some scenes, every setting being the default."""
    loaded = bundle.load(folder)
    classifier = Classifier(loaded, "cpu")

    def heard(scene: Path) -> list[str]:
        loop = build_pipeline(configuration.load(None), loaded, classifier.stream(), scene.name)
        _write_events(scene.with_suffix(".jsonl"), loop.events(frames(scene.with_suffix(".wav"))))
        return ["--truth", f"{scene}.json", "--events", f"{scene}.jsonl"]

    arguments = [word for words in side_by_side(heard, scenes) for word in words]
    return json.loads(_run_tool(TOOLS / "score_events.py", arguments))


def predictions(folder: Path, scene: Path) -> list[Prediction]:
    """What the model of a bundle says of every clip that the real pipeline cuts out of a scene."""
    loaded = bundle.load(folder)
    classifier = Classifier(loaded, "cpu")
    said: list[Prediction] = []

    run = classifier.stream()

    def classify(features: Features) -> Prediction:
        said.append(run(features))
        return said[-1]

    loop = build_pipeline(configuration.load(None), loaded, classify, scene.name)
    for _ in loop.events(frames(scene.with_suffix(".wav"))):
        pass
    return said


def side_by_side(work: Callable[[Job], Done], jobs: Iterable[Job]) -> list[Done]:
    """What comes of each job, in their order; one on every core, as networks and tools do not hold Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(work, jobs))


def frames(path: Path) -> Iterator[Frames]:
    """The frames of a whole audio file."""
    pcm, rate = soundfile.read(path, dtype="int16", always_2d=True)
    seconds = [Block(start, rate, pcm[start : start + rate]) for start in range(0, len(pcm), rate)]
    return frames_of(seconds, RATE)


def _clips(metadata: Sequence[Path]) -> Iterator[Path]:
    """The files that some listings name; what is wrong with a listing is for the tool to say."""
    for listing in filter(Path.is_file, metadata):
        with listing.open(newline="", encoding="utf-8") as lines:
            yield from [listing.parent / row.get("path", "") for row in csv.DictReader(lines)]


def _make_scene(tool: Path, scene: Path, words: Sequence[str], heard: str) -> None:
    """`heard` names the tool and all that it may put in; beside the scene is written what it was made of, at last."""
    made_of, name = scene.with_suffix(".digest"), digest(words, heard)
    if not (made_of.is_file() and made_of.read_text() == name):
        made_of.unlink(missing_ok=True)
        _run_tool(tool, [*words, "--out", str(scene)])
        made_of.write_text(name)


def _write_events(path: Path, events: Iterable[messages.Event]) -> None:
    with path.open("wb") as lines:
        lines.writelines(messages.encode(event) for event in events)


def _run_tool(tool: Path, arguments: Sequence[str]) -> str:
    if not tool.is_file():
        raise DataError(f"{tool}: not here. Scenes are made and judged by the tools in ../shared.")
    done = subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise DataError(f"{tool.name} failed: {why[-1]}")
    return done.stdout


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    ap = argparse.ArgumentParser(
        prog="python -m models.evaluation.scenes", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("what", choices=("clips", "score"))
    ap.add_argument("--bundle", type=Path, default=Path("listener") / "assets" / "default")
    ap.add_argument("--out", type=Path, default=Path("runs") / "scenes", help="where clips, scenes and events go")
    ap.add_argument("--metadata", type=Path, action="append", help="listings of clips (default: ../shared's, and ours)")
    ap.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    ap.add_argument("--minutes", type=float, default=MINUTES)
    ap.add_argument("--fold", type=int, default=3)
    ap.add_argument("--each", type=int, default=12, help="synthesised clips of each label")
    return ap.parse_args(argv)


def _run(options: argparse.Namespace) -> None:
    clips = options.out / "clips"
    if options.what == "clips":
        log.info("wrote %s", write_clips(clips, options.each, options.fold))
        return
    listings = options.metadata or [DATA / "metadata.csv", write_clips(clips, options.each, options.fold)]
    scenes = make(options.out, listings, seeds=options.seeds, minutes=options.minutes, fold=options.fold)
    print(json.dumps(score(options.bundle, scenes), indent=1))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
