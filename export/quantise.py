"""An exported model in whole numbers of eight bits, and the proof that it still answers as well.

Weights are quantised by channel, activations by what real spectrograms make of them. It is smaller, and faster where
the processor multiplies such numbers (VNNI, ARM's dot product).
"""

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.graph import ExportError, Runtime
from listener.classifier import INPUT
from listener.types import Floats
from models.heldout import Files

QUANTISED = ("Conv", "Gemm", "Relu", "Add")  # what costs
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

    Weights have seven bits: processors before VNNI add products up in 16 bits, and eight would overflow there
    (`reduce_range` in the documentation of `quantize_static`).
    """
    with tempfile.TemporaryDirectory() as folder:
        given, prepared, small = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "small"))
        given.write_bytes(model)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, small, _Spectrograms(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=list(QUANTISED), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            reduce_range=True, calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
        return small.read_bytes()


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


def speed(models: Iterable[bytes], mel: Floats, times: int = 50) -> list[float]:
    """Seconds that each model takes for mels (batch, mels, columns), one thread: the least of many, taken in turns."""
    runs = [Runtime(model) for model in models]
    taken = [[_timed(run, mel) for run in runs] for _ in range(times)]
    return [min(each) for each in zip(*taken, strict=True)]


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


def _timed(run: Runtime, mel: Floats) -> float:
    started = time.perf_counter()
    run(mel)
    return time.perf_counter() - started
