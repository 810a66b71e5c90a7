"""Report on a bundle: python -m models.evaluate --bundle bundles/fold3 --fold 3 --out docs/model

The bundle was trained without the fold, and its thresholds were fitted on others. Everything is measured as the daemon
hears it: scenes with known events, whole files, what else raises each label, and hours without any sound to report.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from listener.pipeline.values import Pcm
from models.calibrate import MINUTES, PER_MINUTE, ROOMS
from models.data.bank import decode
from models.data.labels import label_of
from models.data.pool import DATA
from models.data.recordings import TESTS_ONLY, DataError, Recording, read_all
from models.evaluation import files, page, scenes
from models.evaluation.bundle_runner import RATE, BundleRunner
from models.evaluation.yamnet import YAMNET, Yamnet
from models.training.command import command

log = logging.getLogger(__name__)

ALARMS = ("smoke_alarm", "co_alarm", "alarm", "siren")
ALONE = ("speech", "music")  # labels that are played for hours, with nothing else
ALONE_MINUTES = 20.0
SETTLE_S = 2.0  # of silence between the files that are played alone


def report_on(options: argparse.Namespace) -> dict[str, Any]:
    """Every figure of a bundle on a fold."""
    data, runner = options.data or [DATA], BundleRunner(options.bundle)
    recordings = read_all(data)
    here = [r for r in recordings if r.fold == options.fold and r.licence not in TESTS_ONLY]
    apart = [r for r in here if scenes.in_part(r.source, options.part)]  # of what thresholds were fitted to
    scored = files.read(runner, here, Yamnet() if YAMNET.is_file() else None)
    report: dict[str, Any] = {
        "bundle": runner.bundle.name,
        "provenance": runner.bundle.manifest.provenance,
        "fold": options.fold,
        "part": options.part,
        "labels": list(runner.labels),
        "note": options.note,
        "date": date.today().isoformat(),
    }
    report["files"] = files.figures(scored) | {"leakage": files.leakage(scored)}
    log.info("files: %s", report["files"]["datasets"])
    report["scenes"] = _scenes(runner, recordings, data[0], options)
    log.info("scenes: %s", {name: value for name, value in report["scenes"].items() if name != "labels"})
    report["raised"] = files.raised(_events_by_label(runner, apart))
    report["alarms"] = _kept_back(runner, recordings)
    report["alone"] = {label: _alone(runner, apart, label) for label in ALONE}
    return report


def _scenes(
    runner: BundleRunner, recordings: Sequence[Recording], data: Path, options: argparse.Namespace
) -> dict[str, Any]:
    work = options.work / f"scenes-fold{options.fold}-{options.part}"
    clips = scenes.clips_of(recordings, runner.labels, options.fold, work / "clips", options.part)
    made = scenes.make(work, clips, options.seeds, minutes=options.minutes, per_minute=PER_MINUTE, rooms=data / ROOMS)
    return scenes.score(runner, made)


def _events_by_label(runner: BundleRunner, recordings: Sequence[Recording]) -> dict[str, list[set[str]]]:
    """The labels that each file raises, by the label of the file, distractors included."""
    reported = scenes.side_by_side(lambda recording: _raised_by(runner, recording), recordings)
    found: dict[str, list[set[str]]] = {}
    for recording, labels in zip(recordings, reported, strict=True):
        found.setdefault(label_of(recording.labels[0]), []).append(labels)
    return found


def _raised_by(runner: BundleRunner, recording: Recording) -> set[str]:
    try:
        samples = decode(recording.path, RATE)
    except DataError:
        return set()
    silence = np.zeros(RATE, np.float32)
    return {event.label for event in runner.events(_pcm(np.concatenate([silence, samples, silence])))}


def _kept_back(runner: BundleRunner, recordings: Sequence[Recording]) -> dict[str, list[str]]:
    """The labels that real alarms raise which no training has had."""
    alarms = [r for r in recordings if r.licence in TESTS_ONLY]
    return {recording.path.stem: sorted(_raised_by(runner, recording)) for recording in alarms}


def _alone(runner: BundleRunner, recordings: Sequence[Recording], label: str) -> dict[str, Any]:
    """Events of other labels in files of one label played one after another."""
    pieces: list[Pcm] = []
    for recording in recordings:
        if label_of(recording.labels[0]) == label and sum(map(len, pieces)) < ALONE_MINUTES * 60 * RATE:
            pieces.append(
                _pcm(np.concatenate([decode(recording.path, RATE), np.zeros(int(SETTLE_S * RATE), np.float32)]))
            )
    if not pieces:
        return {}
    pcm = np.concatenate(pieces)
    others = [event.label for event in runner.events(pcm) if event.label != label]
    minutes = len(pcm) / RATE / 60
    return {"minutes": round(minutes, 1), "others": others, "an_hour": round(60 * len(others) / minutes, 1)}


def _pcm(samples: np.ndarray) -> Pcm:
    return np.asarray(np.clip(np.rint(samples * 32767), -32768, 32767), np.int16)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.evaluate", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--bundle", type=Path, required=True, help="trained without the fold")
    ap.add_argument("--fold", type=int, required=True, help="the fold that it was not trained on")
    ap.add_argument("--out", type=Path, required=True, help="folder for report.md and report.json")
    ap.add_argument("--work", type=Path, default=Path("runs"), help="where scenes are kept (default %(default)s)")
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--part", choices=scenes.PARTS, default="all", help="of the fold's recordings")
    ap.add_argument("--note", default="", help="what a reader must know of how the figures came about")
    ap.add_argument("--seeds", type=int, nargs="+", default=list(range(11, 21)), help="of the scenes")
    ap.add_argument("--minutes", type=float, default=MINUTES, help="of each scene")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _report(options))


def _report(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    report = report_on(options)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (options.out / "report.md").write_text(page.page(report), encoding="utf-8")
    log.info("wrote %s", options.out / "report.md")


if __name__ == "__main__":
    sys.exit(main())
