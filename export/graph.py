"""The network as an ONNX graph with state, and the proof that ONNX Runtime computes what torch does."""

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.runtime import Runtime
from listener.errors import ListenerError
from listener.pipeline.classifier import EMBEDDING, FAMILIARITY, FRAMES, INPUT, NEXT_STATE, SCORES, STATE
from listener.pipeline.features import FeatureSpec
from models.data.labels import BY_ID
from models.network.body import CHUNK
from models.network.embedding import familiarity
from models.network.network import SILENT, WINDOW, SoundNet

OPSET = 20
TOLERANCE = 1e-4
MOST_CHUNKS = 64  # of one call
QUIET = ("torch.onnx", "onnxscript", "onnx_ir")  # loggers of the exporter
TRIALS = (1, 2, 19)  # chunks of the calls of the proof

OUTPUTS = (SCORES, FRAMES, EMBEDDING, FAMILIARITY)  # the last only with examples


class ExportError(ListenerError):
    """A model that cannot be shipped."""


class Exported(nn.Module):
    """The graph of a bundle: columns and state in; probabilities, embedding and state out.

    Args:
        net: The network, in evaluation mode.
        labels: Its labels. Those with parts (`alarm`) are scored only as far as none of their parts is.
        examples: Embeddings (count, size) of training clips; with them the graph gives the similarity to the nearest.
    """

    def __init__(self, net: SoundNet, labels: Sequence[str], examples: Tensor | None = None) -> None:
        super().__init__()
        self.net = net
        self.general = _general(labels)
        self.examples: Tensor | None
        self.example_scale: Tensor | None
        # Eight bits with a scale for each example: a quarter of the size for an error of 0.001 in the cosine.
        step = None if examples is None else examples.abs().amax(dim=1).clamp(min=1e-6) / 127
        rounded = None if examples is None or step is None else (examples / step[:, None]).round().to(torch.int8)
        self.register_buffer("examples", rounded)
        self.register_buffer("example_scale", step)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs before the state."""
        return OUTPUTS if self.examples is not None else OUTPUTS[:-1]

    def forward(self, mel: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        """Outputs for the clip that ends with log-mel columns (1, mels, columns), then the state after them."""
        answers, after = self.net.step(mel, state)
        labels = answers.frames.shape[1]
        weight, weighted = state[-1][:, : 2 * labels].chunk(2, dim=1)
        before = weighted / weight.clamp(min=1e-6) + SILENT
        frames = torch.cat([before, answers.frames], dim=2)[:, :, -WINDOW:]
        scores, embedding = self._apart(torch.sigmoid(answers.scores[:, :, -1])), answers.embedding[:, :, -1]
        outputs: tuple[Tensor, ...] = (scores, self._apart(torch.sigmoid(frames)), embedding)
        if self.examples is not None and self.example_scale is not None:
            cosines = functional.linear(embedding, self.examples.to(embedding.dtype)) * self.example_scale
            outputs = (*outputs, familiarity(cosines))
        return (*outputs, *after)

    def _apart(self, scores: Tensor) -> Tensor:
        """Probabilities (batch, labels, …) in which a general label leaves out its parts."""
        columns = list(torch.split(scores, 1, dim=1))
        for general, parts in self.general:
            named = torch.cat([columns[part] for part in parts], dim=1).amax(dim=1, keepdim=True)
            columns[general] = columns[general] * (1 - named)
        return torch.cat(columns, dim=1)


def to_onnx(module: Exported, spec: FeatureSpec) -> bytes:
    """The graph in ONNX, one file, for any number of chunks.

    Raises:
        ExportError: ONNX Runtime computes something else than torch.
    """
    state = module.net.initial()
    chunks = torch.export.Dim("chunks", min=1, max=MOST_CHUNKS)
    names = [f"{number:02}" for number in range(len(state))]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            module.eval(), (torch.zeros(1, spec.mels, 2 * CHUNK), state), str(path), dynamo=True,
            opset_version=OPSET, external_data=False, verbose=False,
            input_names=[INPUT, *(STATE + name for name in names)],
            output_names=[*module.outputs, *(NEXT_STATE + name for name in names)],
            dynamic_shapes=({2: CHUNK * chunks}, [None for _ in state]),
        )  # fmt: skip
        model = _without_origins(onnx.load(path))
    prove(module, model.SerializeToString(), spec)
    return bytes(model.SerializeToString())


def prove(module: Exported, model: bytes, spec: FeatureSpec) -> float:
    """The largest difference between torch and ONNX Runtime over streams of noise with steps of level.

    Raises:
        ExportError: It is more than `TOLERANCE`.
    """
    run, rng, worst = Runtime(model), np.random.default_rng(0), 0.0
    for chunks in TRIALS:
        state = module.net.initial()
        theirs = run.initial()
        for _ in range(3):
            mel = rng.normal(rng.uniform(-2, 1), 0.7, (1, spec.mels, chunks * CHUNK)).astype(np.float32)
            with torch.inference_mode():
                ours = module(torch.from_numpy(mel), state)
            values, theirs = run(mel, theirs)
            state = list(ours[len(module.outputs) :])
            pairs = zip(ours[: len(module.outputs)], values.values(), strict=True)
            worst = max(worst, *(float(np.abs(a.numpy() - b).max()) for a, b in pairs))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"torch and ONNX Runtime differ by {worst:.2g}, more than {TOLERANCE}",
            code="export-differs",
            remedy="Use the versions of torch and onnxruntime in constraints.txt.",
        )
    return worst


def _general(labels: Sequence[str]) -> list[tuple[int, list[int]]]:
    """The labels that others are part of, and those others, by number."""
    parts = {label: [part for part in BY_ID[label].parts if part in labels] for label in labels if label in BY_ID}
    return [(labels.index(label), [labels.index(part) for part in those]) for label, those in parts.items() if those]


def _without_origins(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the source files and lines of nodes, which the exporter records."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    return model
