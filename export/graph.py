"""The network as an ONNX graph, and the proof that ONNX Runtime answers as torch does."""

import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional

from listener.errors import ListenerError
from listener.pipeline.classifier import EMBEDDING, FAMILIARITY, FRAMES, INPUT, SCORES
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from models.evaluation.calibration import Calibration
from models.network.embedding import familiarity
from models.network.network import SoundNet

OPSET = 20
TOLERANCE = 1e-4
TALKATIVE = ("torch.onnx", "onnxscript", "onnx_ir")  # the exporter's parts, about each other
TRIALS = (1, 3, 16)  # batch sizes of the proof

OUTPUTS = (SCORES, FRAMES, EMBEDDING, FAMILIARITY)  # the last only where there are examples to compare with


class ExportError(ListenerError):
    """A model that cannot be shipped."""


class Exported(nn.Module):
    """What is exported: mel in; calibrated probabilities of the clip and of its frames, and the embedding, out.

    Where there are examples, embeddings of clips of training, also how familiar the clip is.
    """

    def __init__(self, net: SoundNet, calibration: Calibration | None = None, examples: Tensor | None = None) -> None:
        super().__init__()
        self.net = net
        scale, offset = (calibration.scale, calibration.offset) if calibration else ([1.0], [0.0])
        self.scale: Tensor
        self.offset: Tensor
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("offset", torch.tensor(offset))
        self.examples: Tensor | None
        self.example_scale: Tensor | None
        # In whole numbers of eight bits, each example with a scale of its own: a quarter of the size, 0.001 of cosine.
        step = None if examples is None else examples.abs().amax(dim=1).clamp(min=1e-6) / 127
        rounded = None if examples is None or step is None else (examples / step[:, None]).round().to(torch.int8)
        self.register_buffer("examples", rounded)
        self.register_buffer("example_scale", step)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what `forward` gives."""
        return OUTPUTS if self.examples is not None else OUTPUTS[:-1]

    def forward(self, mel: Tensor) -> tuple[Tensor, ...]:
        answers = self.net(mel)
        scores = torch.sigmoid(answers.scores * self.scale + self.offset)
        said = (scores, torch.sigmoid(answers.frames), answers.embedding)
        if self.examples is None or self.example_scale is None:
            return said
        like = functional.linear(answers.embedding, self.examples.to(answers.embedding.dtype)) * self.example_scale
        return (*said, familiarity(like))


def to_onnx(module: Exported, spec: FeatureSpec) -> bytes:
    """The network in ONNX, one file, dynamic batch. ExportError where ONNX Runtime does not answer alike."""
    example = torch.zeros(2, spec.mels, spec.columns)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            module.eval(), (example,), str(path), dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=[INPUT], output_names=list(module.outputs), dynamic_shapes=({0: "batch"},),
        )  # fmt: skip
        model = _without_origins(path)
    prove(module, model, spec)
    return model


def _without_origins(path: Path) -> bytes:
    """The model without where in whose files each node comes from, which the exporter writes beside them."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    whole: bytes = model.SerializeToString()
    return whole


def prove(module: nn.Module, model: bytes, spec: FeatureSpec) -> float:
    """The largest difference between torch and ONNX Runtime over noise of several levels. ExportError over 1e-4."""
    run, rng, worst = Runtime(model), np.random.default_rng(0), 0.0
    for count in TRIALS:
        mel = rng.normal(rng.uniform(-2, 1), 0.7, (count, spec.mels, spec.columns)).astype(np.float32)
        with torch.inference_mode():
            ours = [answer.numpy() for answer in module(torch.from_numpy(mel))]
        theirs = run.all(mel)
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)))
    if not worst <= TOLERANCE:
        raise ExportError(f"torch and ONNX Runtime differ by {worst:.2g}, more than {TOLERANCE}: not exported.")
    return worst


class Runtime:
    """An exported model: mels (batch, mels, columns) to probabilities (batch, labels)."""

    def __init__(self, model: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, mel: Floats) -> Floats:
        scores: Floats = self._session.run([SCORES], {INPUT: mel})[0]
        return scores

    def all(self, mel: Floats) -> list[Floats]:
        """Every output, in the order of OUTPUTS."""
        outputs: list[Floats] = self._session.run(None, {INPUT: mel})
        return outputs
