"""The network as an ONNX graph, and the proof that ONNX Runtime answers as torch does."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn

from listener.classifier import INPUT, SCORES
from listener.errors import ListenerError
from listener.features import FeatureSpec
from listener.types import Floats
from models.network import SoundNet

OPSET = 20
TOLERANCE = 1e-4
TRIALS = (1, 3, 16)  # batch sizes of the proof

Run = Callable[[Floats], Floats]


class ExportError(ListenerError):
    """A model that cannot be shipped."""


class Probabilities(nn.Module):
    """What is exported: mel in, independent probabilities out."""

    def __init__(self, net: SoundNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, mel: Tensor) -> Tensor:
        return torch.sigmoid(self.net(mel))


def to_onnx(net: SoundNet, spec: FeatureSpec) -> bytes:
    """The network in ONNX, one file, dynamic batch. ExportError where ONNX Runtime does not answer alike."""
    module = Probabilities(net).eval()
    example = torch.zeros(2, spec.mels, spec.columns)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's talk about its own parts
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            module, (example,), str(path), dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=[INPUT], output_names=[SCORES], dynamic_shapes=({0: "batch"},),
        )  # fmt: skip
        model = path.read_bytes()
    prove(module, model, spec)
    return model


def prove(module: nn.Module, model: bytes, spec: FeatureSpec) -> float:
    """The largest difference between torch and ONNX Runtime over noise of several levels. ExportError over 1e-4."""
    run, rng, worst = runtime(model), np.random.default_rng(0), 0.0
    for count in TRIALS:
        mel = rng.normal(rng.uniform(-2, 1), 0.7, (count, spec.mels, spec.columns)).astype(np.float32)
        with torch.inference_mode():
            ours: Floats = module(torch.from_numpy(mel)).numpy()
        worst = max(worst, float(np.abs(ours - run(mel)).max()))
    if not worst <= TOLERANCE:
        raise ExportError(f"torch and ONNX Runtime differ by {worst:.2g}, more than {TOLERANCE}: not exported.")
    return worst


def runtime(model: bytes) -> Run:
    """The exported model as a function: (batch, mels, columns) to (batch, labels)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(mel: Floats) -> Floats:
        scores: Floats = session.run([SCORES], {INPUT: mel})[0]
        return scores

    return run
