"""A bundle's model in whole numbers of eight bits: python -m export.quantise --checkpoint … --bundle … --out folder

Only where it still answers as well, which is asked on the fold that the checkpoint left out (on all, where none was).

Weights are quantised by channel, activations by what real spectrograms make of them. It is smaller, and faster where
the processor multiplies such numbers (VNNI, ARM's dot product).
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.bundle import same
from export.graph import ExportError, Runtime
from listener.pipeline import bundle
from listener.pipeline.bundle import Manifest
from listener.pipeline.classifier import INPUT
from listener.pipeline.values import Floats
from models.data.pool import open_pool
from models.data.recordings import read_all
from models.evaluation.test_split import Files, read_files
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

QUANTISED = ("Conv", "Gemm", "Relu", "Clip", "Add")  # what costs
SPANNING = ("Log", "Sqrt")
CALIBRATION_CLIPS = 256
AT_ONCE = 16  # clips
LOSS = 0.01  # of accuracy
LABEL_LOSS = 0.05
LEAST_FILES = 10  # of a label, for its loss to mean anything


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of files that are answered rightly by the model and by its quantised twin."""

    files: int
    before: float
    after: float


def quantised(model: bytes, calibration: Floats) -> bytes:
    """The model with int8 weights and activations (QDQ), calibrated on mels (n, mels, columns).

    Weights have seven bits: processors before VNNI add pairs of products up in 16 bits, and eight would overflow there
    (`reduce_range` in the documentation of `quantize_static`). Depthwise ones, which are multiplied one by one, have
    eight: that halves what the scores move by.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, prepared, small = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "small"))
        given.write_bytes(model)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, small, _Spectrograms(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=list(QUANTISED), nodes_to_exclude=_front_end(prepared),
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax, extra_options={"TensorQuantOverrides": _depthwise(prepared)},
        )  # fmt: skip
        return small.read_bytes()


def _depthwise(model: Path) -> dict[str, list[dict[str, Any]]]:
    """The weights of depthwise convolutions, and how they are rounded."""
    whole = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": False}
    convolutions = [node for node in onnx.load(model).graph.node if node.op_type == "Conv"]
    return {node.input[1]: [whole] for node in convolutions if _groups(node) > 1}


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _front_end(model: Path) -> list[str]:
    """The nodes that lead to a logarithm or a root, by name: powers span more than eight bits can."""
    nodes = onnx.load(model).graph.node  # in the order in which they are run
    names, wanted = [], set[str]()
    for node in reversed(nodes):
        if node.op_type in SPANNING or wanted & set(node.output):
            names.append(node.name)
            wanted |= set(node.input)
    return names


def parity(model: bytes, small: bytes, files: Files, labels: Sequence[str]) -> dict[str, Accuracy]:
    """Accuracies of both by label, over all under «all». ExportError where the small one has lost too much."""
    if not set(files.labels) & set(labels):
        raise ExportError("no file has one of the model's labels: nothing says that the quantised model is as good.")
    truth = np.array(files.labels)
    right = [np.array(labels)[files.scores(Runtime(each)).argmax(axis=1)] == truth for each in (model, small)]
    known = {label: truth == label for label in labels if label in files.labels}
    rows = {"all": np.isin(truth, labels), **known}
    said = {name: Accuracy(int(of.sum()), *(float(r[of].mean()) for r in right)) for name, of in rows.items()}
    lost = [f"{name} from {row.before:.1%} to {row.after:.1%}" for name, row in said.items() if _lost(name, row)]
    if lost:
        raise ExportError(f"the quantised model loses too much: {', '.join(lost)}. Ship the model as it is.")
    return said


class _Spectrograms(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    """Hands mels to the calibration, some at a time."""

    def __init__(self, mels: Floats) -> None:
        portions = range(0, len(mels), AT_ONCE)
        self._batches = ({INPUT: mels[start : start + AT_ONCE].astype(np.float32)} for start in portions)

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._batches, None)


def _lost(name: str, row: Accuracy) -> bool:
    allowed = LOSS if name == "all" else LABEL_LOSS
    return (name == "all" or row.files >= LEAST_FILES) and round(row.before - row.after, 6) > allowed


def quantise(trained: Checkpoint, folder: Path, out: Path) -> dict[str, Accuracy]:
    """Write a bundle like the one in `folder` whose model has int8 numbers, and parity.json beside it.

    ExportError where that one was not made of the checkpoint: other clips would decide, other files be asked about.
    """
    loaded = bundle.load(folder)
    same(trained, loaded)
    recipe, fold = trained.recipe, trained.recipe.leave_out_fold
    pool = open_pool(recipe.mixing, trained.data)
    clips = np.random.default_rng(0).choice(np.flatnonzero(pool.fold != (fold or 0)), CALIBRATION_CLIPS, replace=False)
    small = quantised(loaded.model, pool.mel[np.sort(clips)].astype(np.float32))
    recordings = [r for r in read_all(trained.data) if r.labels[0] in recipe.labels and fold in (None, r.fold)]
    said = parity(loaded.model, small, read_files(recordings, recipe.spec, trained.filters), recipe.labels)
    bundle.write(out, manifest_of(loaded.manifest, said["all"]), small, loaded.filters)
    rows = {name: asdict(row) for name, row in said.items()}
    (out / "parity.json").write_text(json.dumps(rows, indent=1) + "\n")
    return said


def manifest_of(given: Manifest, said: Accuracy) -> Manifest:
    """What a quantised bundle says of itself: a name of its own, what it lost, and none of the other's figures."""
    heard = "that it has learned from" if given.provenance["folds"] == "all" else "of the fold left out"
    before, after = (f"{100 * share:.1f} %" for share in (said.before, said.after))
    right = f"right answers to {after} of {said.files:,} files {heard}, {before} before"
    provenance = given.provenance | {"quantised": right}
    return msgspec.structs.replace(given, name=f"{given.name}-int8", metrics={}, provenance=provenance)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.quantise", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--checkpoint", type=Path, required=True, help="what the bundle was made of")
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True, help="folder of the new bundle")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _say(quantise(checkpoint.load(options.checkpoint), options.bundle, options.out)))


def _say(said: dict[str, Accuracy]) -> None:
    for name, row in said.items():
        log.info("%-18s %4d files  %.1f %% before, %.1f %% after", name, row.files, 100 * row.before, 100 * row.after)


if __name__ == "__main__":
    sys.exit(main())
