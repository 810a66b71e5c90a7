"""Make a bundle of a checkpoint: python -m export.bundle --checkpoint runs/all/checkpoint.pt --out folder

Exported, proved equal to torch, and written with labels, rules, front end, provenance and figures.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from export.graph import Exported, to_onnx
from export.rules import groups_for, rules_for
from listener import bundle
from listener.errors import ListenerError
from models import calibration as calibrations
from models import checkpoint
from models.calibration import Calibration
from models.checkpoint import Checkpoint
from models.command import command
from models.embedding import FAMILIAR
from models.mixing import FRAME_STEP
from models.recipe import to_plain
from models.settings import training_command

log = logging.getLogger(__name__)

LICENCE = "CC BY-NC 3.0 (trained on UrbanSound8K: for non-commercial use; see MODEL_CARD.md)"
DATA = "ESC-10, UrbanSound8K, voxceleb, librispeech, fsdd, music (see MODEL_CARD.md); synthesised sounds"


def export(
    trained: Checkpoint,
    out: Path,
    *,
    name: str = "unnamed",
    licence: str = LICENCE,
    data: str = DATA,
    calibration: Calibration | None = None,
    report: Path | None = None,
) -> None:
    """Write the bundle. ExportError where ONNX Runtime does not answer as torch does."""
    labels = list(trained.recipe.labels)
    if calibration:
        calibration = calibration.of(labels)
    model = to_onnx(Exported(trained.net(), calibration, trained.examples), trained.recipe.spec)
    manifest = bundle.Manifest(
        format=bundle.FORMAT,
        name=name,
        labels=labels,
        groups=groups_for(labels),
        rules=calibration.rules if calibration else rules_for(labels),
        features=trained.recipe.spec,
        sha256={},
        licence=licence,
        provenance=_provenance(trained, data),
        metrics=_metrics(report) if report else {},
        frame_s=FRAME_STEP / trained.recipe.spec.sample_rate,
        familiar=0.0 if trained.examples is None else FAMILIAR,
    )
    bundle.write(out, manifest, model, trained.filters)
    log.info("wrote %s: %d labels, %.2f MB, equal to torch", out, len(labels), len(model) / 1e6)


def _provenance(trained: Checkpoint, data: str) -> dict[str, str]:
    fold = trained.recipe.leave_out_fold
    return {
        "recipe": msgspec.json.encode(to_plain(trained.recipe)).decode(),
        "data": data,
        "folds": f"all but {fold}" if fold else "all",
        "commit": _commit(),
        "command": training_command(trained.recipe, Path("runs") / "all"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _commit() -> str:
    """The commit of this checkout, with a + where anything but what is made here was changed since; or «unknown»."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", ":!listener/assets", ":!export/golden.json", ":!docs/model")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


def _metrics(report: Path) -> dict[str, float]:
    """Figures of models of the same recipe on folds left out, from the report.json of models.evaluate."""
    try:
        said = json.loads(report.read_text())
        found = {
            f"{name}_{kind}": part[f"accuracy_{kind}"]
            for name, part in said["together"].items()
            for kind in ("own_labels", "all_labels")
        }
        scenes = {f"fold{run['fold']}_events_f1": run["scenes"]["f1"] for run in said["folds"] if run["scenes"]}
        return found | scenes
    except (OSError, ValueError, KeyError) as err:
        raise ListenerError(f"{report}: no report of models.evaluate ({err!r}).") from err


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.bundle", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    ap.add_argument("--name", default="home-5", help="how events name the model (default %(default)s)")
    ap.add_argument("--calibration", type=Path, help="JSON of models.calibrate (default: rules chosen beforehand)")
    ap.add_argument("--report", type=Path, help="report.json of models.evaluate on the same recipe")
    ap.add_argument("--licence", default=LICENCE, help="of the weights, as their training data asks (default: ours)")
    ap.add_argument("--trained-on", default=DATA, help="words for the manifest (default: ours)")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    trained = checkpoint.load(options.checkpoint)
    calibration = calibrations.read(options.calibration) if options.calibration else None
    export(
        trained, options.out, name=options.name, licence=options.licence, data=options.trained_on,
        calibration=calibration, report=options.report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
