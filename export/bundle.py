"""Make a bundle of a checkpoint: python -m export.bundle --checkpoint runs/all/checkpoint.pt --out folder --name …

Exported, proved equal to torch, and written with labels, rules, front end, provenance and figures.
"""

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

from export import measured
from export.graph import TOLERANCE, Exported, ExportError, Runtime, to_onnx
from export.rules import groups_for, rules_for
from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle
from models.data.mixing import FRAME_STEP
from models.evaluation import calibration as calibrations
from models.evaluation.calibration import Calibration
from models.network.embedding import FAMILIAR
from models.network.network import multiply_adds, weights
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command
from models.training.recipe import Recipe, to_plain
from models.training.settings import training_command

log = logging.getLogger(__name__)

UNSAID = "not said"


@dataclass(frozen=True, slots=True)
class About:
    """What a bundle is told of its model. Without a calibration it has the rules that were chosen beforehand."""

    name: str = "unnamed"
    licence: str = UNSAID
    data: str = UNSAID  # in words
    calibration: Calibration | None = None
    report: Path | None = None  # of models.evaluate


def export(trained: Checkpoint, out: Path, about: About = About()) -> None:
    """Write the bundle. ExportError where ONNX Runtime does not answer as torch does."""
    manifest = manifest_of(trained, about)
    model = to_onnx(Exported(trained.net(), _calibration(trained, about), trained.examples), trained.recipe.spec)
    bundle.write(out, manifest, model, trained.filters)
    log.info("wrote %s: %d labels, %.2f MB, equal to torch", out, len(manifest.labels), len(model) / 1e6)


def manifest_of(trained: Checkpoint, about: About = About()) -> bundle.Manifest:
    """What a checkpoint's bundle says of itself."""
    labels, calibration = list(trained.recipe.labels), _calibration(trained, about)
    return bundle.Manifest(
        format=bundle.FORMAT,
        name=about.name,
        labels=labels,
        groups=groups_for(labels),
        rules=calibration.rules if calibration else rules_for(labels),
        features=trained.recipe.spec,
        sha256={},
        licence=about.licence,
        provenance=_provenance(trained, about.data) | _size(trained),
        metrics=_metrics(trained.recipe, about.report) if about.report else {},
        frame_s=FRAME_STEP / trained.recipe.spec.sample_rate,
        familiar=0.0 if trained.examples is None else FAMILIAR,
    )


def same(trained: Checkpoint, loaded: Bundle) -> None:
    """ExportError where a bundle's model makes of noise other frames and embeddings than the checkpoint does."""
    spec = trained.recipe.spec
    alike = loaded.labels == trained.recipe.labels and loaded.features == spec
    if alike:
        mel = np.random.default_rng(0).normal(-1, 0.7, (3, spec.mels, spec.columns)).astype(np.float32)
        pairs = zip(Runtime(loaded.model).all(mel)[1:3], trained.answerer()(mel)[1:], strict=True)
        alike = all(a.shape == b.shape and float(np.abs(a - b).max()) <= TOLERANCE for a, b in pairs)
    if not alike:
        raise ExportError(
            f"{loaded.name} was not made of this checkpoint: name the one that it is of, or export it again."
        )


def _calibration(trained: Checkpoint, about: About) -> Calibration | None:
    """That of the checkpoint's labels."""
    return about.calibration and about.calibration.of(trained.recipe.labels)


def _provenance(trained: Checkpoint, data: str) -> dict[str, str]:
    left_out = ", ".join(map(str, trained.recipe.left_out))
    return {
        "recipe": msgspec.json.encode(to_plain(trained.recipe)).decode(),
        "data": data,
        "folds": f"all but {left_out}" if left_out else "all",
        "commit": _commit(),
        "command": training_command(trained.recipe, data=trained.data),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _size(trained: Checkpoint) -> dict[str, str]:
    """Of the network with the embedding that was fitted, and the examples that a clip is compared with."""
    net, spec, examples = trained.net(), trained.recipe.spec, trained.examples
    adds = multiply_adds(net, spec.mels, spec.columns)
    size = {"weights": str(weights(net)), "multiply_adds": str(adds)}
    if examples is None:
        return size
    count, numbers = examples.shape
    return size | {"multiply_adds": str(adds + count * numbers), "examples": f"{count} x {numbers} int8"}


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


def _metrics(recipe: Recipe, path: Path) -> dict[str, float]:
    """Figures of models of the same recipe on folds left out; none where the report is of another's."""
    report = measured.read(path)
    if not measured.is_of(recipe, report):
        log.info("%s is of models of another recipe: the bundle carries no figures", path)
        return {}
    return measured.metrics(report)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.bundle", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    ap.add_argument("--name", required=True, help="how events name the model")
    ap.add_argument("--calibration", type=Path, help="JSON of models.calibrate (default: rules chosen beforehand)")
    ap.add_argument("--report", type=Path, help="report.json of models.evaluate on the same recipe")
    ap.add_argument("--licence", required=True, help="of the weights, as their training data asks")
    ap.add_argument("--trained-on", required=True, help="words for the manifest: the data")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _export(options))


def _export(options: argparse.Namespace) -> None:
    trained = _finished(options.checkpoint)
    calibration = calibrations.read(options.calibration) if options.calibration else None
    about = About(options.name, options.licence, options.trained_on, calibration, options.report)
    export(trained, options.out, about)


def _finished(path: Path) -> Checkpoint:
    """The checkpoint of a run that came to its end. ExportError of one that did not."""
    trained = checkpoint.load(path)
    if trained.step < trained.recipe.steps or trained.projection is None:
        raise ExportError(
            f"{path}: {trained.step} of {trained.recipe.steps} steps are trained, or the embedding was not fitted. "
            f"Let it come to its end: python -m models.train --resume --out {path.parent}"
        )
    return trained


if __name__ == "__main__":
    sys.exit(main())
