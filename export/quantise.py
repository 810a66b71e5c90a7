"""Eight-bit weights and activations for an exported model: a third of the size, half of the work."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.graph import ExportError
from export.runtime import Runtime
from listener.pipeline.classifier import INPUT, SCORES
from listener.pipeline.values import Floats
from models.network.body import CHUNK

QUANTISED = ("Conv", "Clip")  # the work
STEP = 3 * CHUNK  # columns of a call, as with the default hop
SHARE = 0.3  # of the calls are used for calibration
MEAN_CHANGE, SAME_TOP = 0.01, 0.95  # bounds on the loss: mean change of scores, calls with the same highest label


@dataclass(frozen=True, slots=True)
class Loss:
    """How an eight-bit model differs from the one it was made of, over the calls of some streams."""

    mean_change: float  # of a score
    same_top: float  # share of calls with the same highest label, of those with a score over 0.5


def quantised(model: bytes, streams: NDArray[np.floating]) -> bytes:
    """The model with int8 weights and uint8 activations (QDQ), calibrated on log-mels (streams, mels, columns).

    Depthwise weights have a scale for each channel as the others do: one for all loses most of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, prepared, small = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "small"))
        given.write_bytes(model)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, small, _Calls(model, streams), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=list(QUANTISED), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"TensorQuantOverrides": _depthwise(prepared)},
        )  # fmt: skip
        return small.read_bytes()


def check(model: bytes, small: bytes, streams: NDArray[np.floating]) -> Loss:
    """Compare an eight-bit model with the one it was made of on log-mels (streams, mels, columns).

    Raises:
        ExportError: It has lost too much.
    """
    before, after = (np.stack([_scores(Runtime(each), stream) for stream in streams]) for each in (model, small))
    sure = before.max(axis=-1) > 0.5
    same = (before.argmax(axis=-1) == after.argmax(axis=-1))[sure]
    loss = Loss(float(np.abs(before - after).mean()), float(same.mean()) if sure.any() else 1.0)
    if loss.mean_change > MEAN_CHANGE or loss.same_top < SAME_TOP:
        raise ExportError(
            f"the eight-bit model changes scores by {loss.mean_change:.3f} on average, and agrees on the highest "
            f"label in {loss.same_top:.1%}",
            code="export-eight-bits",
            remedy="Export without --pool: the model keeps 32 bits.",
        )
    return loss


def _calls(run: Runtime, stream: NDArray[np.floating]) -> Iterator[dict[str, Any]]:
    """The inputs of the calls over a stream's columns."""
    state = run.initial()
    for start in range(0, stream.shape[1] - STEP + 1, STEP):
        mel = stream[None, :, start : start + STEP].astype(np.float32)
        yield {INPUT: mel, **state}
        _, state = run(mel, state)


def _scores(run: Runtime, stream: NDArray[np.floating]) -> Floats:
    """Scores (calls, labels) over a stream."""
    scores = []
    state = run.initial()
    for start in range(0, stream.shape[1] - STEP + 1, STEP):
        outputs, state = run(stream[None, :, start : start + STEP].astype(np.float32), state)
        scores.append(outputs[SCORES][0])
    return np.stack(scores)


class _Calls(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    """Some of the calls over streams, in random choice."""

    def __init__(self, model: bytes, streams: NDArray[np.floating]) -> None:
        rng, run = np.random.default_rng(0), Runtime(model)
        self._calls = (call for stream in streams for call in _calls(run, stream) if rng.random() < SHARE)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._calls, None)


def _depthwise(model: Path) -> dict[str, list[dict[str, Any]]]:
    """How the weights of depthwise convolutions are rounded, by name."""
    whole = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": False}
    convolutions = [node for node in onnx.load(model).graph.node if node.op_type == "Conv"]
    return {node.input[1]: [whole] for node in convolutions if _groups(node) > 1}


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
