"""Make a bundle of a checkpoint: python -m export.bundle --checkpoint FILE --out FOLDER --name NAME ..."""

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from export.graph import Exported, ExportError, to_onnx
from export.quantise import check, quantised
from listener.pipeline import bundle
from models.data.events import FRAME_SAMPLES
from models.data.pool import read_pool
from models.evaluation import calibration as calibrations
from models.evaluation.calibration import FittedRules
from models.evaluation.rules import groups_of, info_of, rule_of
from models.network.body import CHUNK
from models.network.embedding import FAMILIAR
from models.network.network import LAG, WINDOW, multiply_adds, weights
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command
from models.training.recipe import to_plain
from models.training.settings import training_command

log = logging.getLogger(__name__)

ORIGIN = "YAMNet (Google, Apache-2.0): its first layers, all of them trained further"
FROM_NOTHING = "trained from random weights"
CALIBRATION_STREAMS, CHECK_STREAMS = 64, 24


@dataclass(frozen=True, slots=True)
class About:
    """What a manifest says beside what the checkpoint does. Without a calibration, labels get their first rules."""

    name: str = "unnamed"
    licence: str = "not stated"
    data: str = "not stated"
    calibration: FittedRules | None = None
    metrics: dict[str, float] | None = None


def export(trained: Checkpoint, out: Path, about: About = About(), streams: NDArray[np.floating] | None = None) -> None:
    """Write the bundle of a checkpoint.

    Args:
        trained: A checkpoint whose run is complete.
        out: The bundle's folder.
        about: The rest of the manifest.
        streams: Log-mels (streams, mels, columns) to calibrate eight bits on; None: the model keeps 32 bits.

    Raises:
        ExportError: ONNX Runtime computes something else than torch, or eight bits lose too much.
    """
    model = to_onnx(Exported(trained.net(), trained.recipe.labels, trained.examples), trained.recipe.spec)
    bits = ""
    if streams is not None:
        small = quantised(model, streams[:-CHECK_STREAMS])
        loss = check(model, small, streams[-CHECK_STREAMS:])
        bits = f"mean change of scores {loss.mean_change:.4f}, same highest label {loss.same_top:.1%}"
        model = small
    bundle.write(out, manifest_of(trained, about, bits), model, trained.filters)
    log.info("%s: %d labels, %.2f MB; eight bits: %s", out, len(trained.recipe.labels), len(model) / 1e6, bits or "no")


def manifest_of(trained: Checkpoint, about: About = About(), eight_bits: str = "") -> bundle.Manifest:
    """The manifest of a checkpoint's bundle."""
    recipe, calibration = trained.recipe, about.calibration or FittedRules({}, {})
    labels, spec, net = list(recipe.labels), recipe.spec, trained.net()
    provenance = {
        "recipe": msgspec.json.encode(to_plain(recipe)).decode(),
        "data": about.data,
        "folds": "all but " + ", ".join(map(str, recipe.left_out)) if recipe.left_out else "all",
        "commit": _commit(),
        "command": training_command(recipe, data=trained.data),
        "date": datetime.now(UTC).date().isoformat(),
        "weights": str(weights(net)),
        "multiply_adds_per_s": str(multiply_adds(net, spec.mels)),
    }
    return bundle.Manifest(
        format=bundle.FORMAT,
        name=about.name,
        labels=labels,
        groups=groups_of(labels),
        rules={label: calibration.rules.get(label, rule_of(label)) for label in labels},
        about={label: info_of(label, calibration.thresholds.get(label, {})) for label in labels},
        features=spec,
        sha256={},
        licence=about.licence,
        origin=ORIGIN if recipe.shape.pretrained else FROM_NOTHING,
        provenance=provenance | ({"eight_bits": eight_bits} if eight_bits else {}),
        metrics=about.metrics or {},
        chunk_columns=CHUNK,
        frame_s=FRAME_SAMPLES / spec.sample_rate,
        first_frame_s=_first_frame_s(trained),
        familiar=0.0 if trained.examples is None else FAMILIAR,
    )


def _first_frame_s(trained: Checkpoint) -> float:
    """Centre of the first frame score of a clip. The last begins with the last column but 7, `LAG` frames earlier."""
    spec = trained.recipe.spec
    last_column = (spec.columns - 1) * spec.hop
    start = last_column - FRAME_SAMPLES + spec.hop - (LAG + WINDOW - 1) * FRAME_SAMPLES
    return (start + FRAME_SAMPLES // 2) / spec.sample_rate


def _commit() -> str:
    """This checkout's commit, with a + if anything but exported files has changed since; or `unknown`."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", ":!listener/assets", ":!export/golden.json", ":!docs/model")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.bundle", description=(__doc__ or "").partition(":")[0])
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    ap.add_argument("--name", required=True, help="the model's name in events")
    ap.add_argument("--calibration", type=Path, help="JSON of models.calibrate (default: rules without fitting)")
    ap.add_argument("--pool", type=Path, help="folder of the training pool: calibrates eight bits (default: 32 bits)")
    ap.add_argument("--licence", required=True, help="of the weights, as their training data requires")
    ap.add_argument("--trained-on", required=True, help="the data, in words")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    trained = _finished(options.checkpoint)
    calibration = calibrations.read(options.calibration) if options.calibration else None
    about = About(options.name, options.licence, options.trained_on, calibration)
    export(trained, options.out, about, _streams(trained, options.pool) if options.pool else None)


def _streams(trained: Checkpoint, folder: Path) -> NDArray[np.floating]:
    """Some streams that the checkpoint may have been trained on."""
    pool = read_pool(folder)
    allowed = np.flatnonzero(~np.isin(pool.fold, trained.recipe.left_out))
    chosen = np.random.default_rng(0).choice(allowed, CALIBRATION_STREAMS + CHECK_STREAMS, replace=False)
    return np.stack([pool.mel[number] for number in chosen])


def _finished(path: Path) -> Checkpoint:
    """The checkpoint of a complete run. Raises ExportError."""
    trained = checkpoint.load(path)
    if trained.step < trained.recipe.total_steps or trained.projection is None:
        raise ExportError(
            f"{path}: {trained.step} of {trained.recipe.total_steps} steps are trained, or the embedding is not fitted",
            code="export-unfinished",
            remedy=f"Run python -m models.train --resume --out {path.parent}.",
        )
    return trained


if __name__ == "__main__":
    sys.exit(main())
