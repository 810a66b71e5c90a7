"""Fit thresholds: python -m models.calibrate --bundle bundles/fold4 --fold 4 --out runs/fold4/calibration.json

The bundle, exported without a calibration from a run that left the fold out, hears scenes of that fold. Thresholds
fitted so are reported on another fold, and shipped.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from models.data.pool import DATA
from models.data.recordings import read_all
from models.evaluation import scenes
from models.evaluation.bundle_runner import BundleRunner, read_pcm
from models.evaluation.calibration import write
from models.evaluation.rules import rule_of
from models.evaluation.scenes import SceneFile
from models.evaluation.thresholds import ScoredScene, fit, of_predictions
from models.training.command import command

log = logging.getLogger(__name__)

MINUTES, PER_MINUTE = 20.0, 5.0
ROOMS = Path("more") / "background_indoor"  # in the first folder of recordings


def calibrate(options: argparse.Namespace) -> None:
    """Fit thresholds of a bundle to scenes of a fold and write them."""
    data, runner = options.data or [DATA], BundleRunner(options.bundle)
    work = options.out.parent / f"scenes-fold{options.fold}-{options.part}"
    clips = scenes.clips_of(read_all(data), runner.labels, options.fold, work / "clips", options.part)
    made = scenes.make(
        work, clips, options.seeds, minutes=options.minutes, per_minute=PER_MINUTE, rooms=data[0] / ROOMS
    )
    scored = scenes.side_by_side(lambda scene: scores(runner, scene), made)
    calibration = fit(runner.labels, {label: rule_of(label) for label in runner.labels}, scored)
    write(options.out, calibration)
    for label, rule in calibration.rules.items():
        log.info("%-18s on %.3f, low %.3f, high %.3f", label, rule.on, *calibration.thresholds[label].values())


def scores(runner: BundleRunner, scene: SceneFile) -> ScoredScene:
    """A bundle's scores of a scene."""
    return of_predictions(runner.predictions(*read_pcm(scene.path)), scene.truth)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.calibrate", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--bundle", type=Path, required=True, help="exported without a calibration")
    ap.add_argument("--fold", type=int, required=True, help="the fold that it was not trained on")
    ap.add_argument("--out", type=Path, required=True, help="JSON file to write")
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--part", choices=scenes.PARTS, default="all", help="of the fold's recordings")
    ap.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)), help="of the scenes")
    ap.add_argument("--minutes", type=float, default=MINUTES, help="of each scene")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: calibrate(options))


if __name__ == "__main__":
    sys.exit(main())
