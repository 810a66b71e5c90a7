"""Whether alarms are heard, and nothing else for one.

Scenes of alarms at 10 dB or more over the room, and ten hours in all of what may be taken for one, made of the fold
that each model was not trained on, heard by the whole daemon with thresholds from the other folds.
"""

import argparse
import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.bundle import same
from listener.pipeline.bundle import load as load_bundle
from models.calibrate import left_out
from models.data.recordings import DataError, listings
from models.evaluation import scenes
from models.evaluation.tables import check_place, write_table
from models.training import checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

ALARMS = ("smoke_alarm", "co_alarm")
# What most resembles one, and what a home is full of.
OTHERS = ("speech", "music", "street_music", "rain", "appliance_beep", "telephone_ring", "doorbell", "siren")
EACH = 40  # synthesised clips of a label
UNHEARD = 1000  # the number of the first: those before decided thresholds
ALARM_S = 20.0  # how long an alarm sounds: T4 repeats every 5.7 s
LEAST_SNR_DB = 10
PER_MINUTE = "0.2"  # seldom: two of a kind, 1.5 s apart, are rightly heard as one with a pause
HOURS = 10.0
SCENE_MINUTES = 20.0


def listen(folder: Path, work: Path, hours: float) -> dict[str, Any]:
    """What a run's bundle makes of alarms, and of hours without one."""
    trained = checkpoint.load(folder / "checkpoint.pt")
    fold, bundle = trained.recipe.leave_out_fold, folder / "bundle"
    if fold is None:
        raise DataError(f"{folder}: trained on every fold, so that none is new to it. Train it with --leave-out-fold.")
    if not bundle.is_dir():
        raise DataError(f"{bundle}: not there. Make it with python -m models.calibrate --runs {folder.parent}")
    same(trained, load_bundle(bundle))  # and not what was made of the checkpoint before
    clips = scenes.write_clips(work / "clips", EACH, fold, first=UNHEARD)
    long_clips = scenes.write_clips(work / "alarms", EACH, fold, labels=ALARMS, duration_s=ALARM_S, first=UNHEARD)
    heard = scenes.score(
        bundle,
        scenes.make(
            work / "heard", [long_clips], seeds=range(1, 9), minutes=30, fold=fold,
            more=("--snr", f"{LEAST_SNR_DB},30", "--max-event-s", str(ALARM_S), "--per-minute", PER_MINUTE),
        ),
    )  # fmt: skip
    count = math.ceil(hours * 60 / SCENE_MINUTES)
    quiet = scenes.score(
        bundle,
        scenes.make(
            work / "without", [*listings(trained.data, work), clips], seeds=range(1, count + 1),
            minutes=SCENE_MINUTES, fold=fold, more=("--labels", ",".join(OTHERS)),
        ),
    )  # fmt: skip
    false = {label: quiet["labels"].get(label, {}).get("false", 0) for label in ALARMS}
    recall = {label: heard["labels"][label]["hit"] / max(1, heard["labels"][label]["true"]) for label in ALARMS}
    return {
        "fold": fold,
        "alarms": sum(heard["labels"][label]["true"] for label in ALARMS),
        "recall": round(sum(heard["labels"][label]["hit"] for label in ALARMS) / max(1, heard["true"]), 4),
        **{f"recall_{label}": round(value, 4) for label, value in recall.items()},
        "time_to_report_p50_s": heard["latency_s"]["p50"],
        "time_to_report_p95_s": heard["latency_s"]["p95"],
        "hours_without": quiet["hours"],
        "false_alarms": sum(false.values()),
        **{f"false_{label}": value for label, value in false.items()},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.experiments.alarms", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--runs", type=Path, default=Path("runs") / "cv", help="folder of fold*/bundle")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--hours", type=float, default=HOURS, help="without an alarm, in all (default %(default)s)")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    check_place(options.out)
    folders = left_out(options.runs)
    rows = [listen(folder, options.runs / "alarms" / folder.name, options.hours / len(folders)) for folder in folders]
    note = f"Alarms of {ALARM_S:g} s, {LEAST_SNR_DB} dB or more over the room; others: {', '.join(OTHERS)}."
    write_table(options.out, rows, note)


if __name__ == "__main__":
    sys.exit(main())
