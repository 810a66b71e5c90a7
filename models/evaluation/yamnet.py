"""YAMNet, where it is at hand: what our networks begin with, their teacher, and what they are measured against.

Its 521 scores of a window of 0.975 s are taken before the last sigmoid, so that what it finds unlikely counts too.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listener.pipeline.values import Floats
from models.data.labels import BY_ID
from models.data.recordings import DataError

YAMNET = Path("..") / "shared" / "peers" / "yamnet" / "yamnet.tflite"
FILE = "lite-model_yamnet_classification_tflite_1.tflite (4.1 MB; google/yamnet on Kaggle)"  # as its maker names it
CLASS_MAP = YAMNET.with_name("yamnet_class_map.csv")
WINDOW = 15_600  # samples at 16 kHz
HOP = 7_680  # 0.48 s
CLASSES = 521
CONVOLUTIONS = 27
LOGITS = "layer29/fc/BiasAdd"  # the tensor before the sigmoid, by a part of its name

Levels = NDArray[np.int8]


class Yamnet:
    """The network, ready to run. DataError where it, or its runtime, is not here."""

    def __init__(self, path: Path = YAMNET) -> None:
        self._net = _interpreter(path, to_run=True)
        self._input = self._net.get_input_details()[0]["index"]
        logits = next(tensor for tensor in self._net.get_tensor_details() if LOGITS in tensor["name"])
        self._logits = logits["index"]
        self.step, self.zero = logits["quantization"]

    def levels(self, samples: Floats) -> Levels:
        """Logits of every whole window of 16 kHz sound: int8 (windows, CLASSES), (level - zero) * step each."""
        windows = [samples[start : start + WINDOW] for start in range(0, len(samples) - WINDOW + 1, HOP)]
        return np.stack([self._window(window) for window in windows])

    def logits(self, samples: Floats) -> Floats:
        """The same as numbers; sound shorter than a window is padded with silence behind."""
        padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
        numbers: Floats = (self.levels(padded).astype(np.float32) - self.zero) * np.float32(self.step)
        return numbers

    def _window(self, samples: Floats) -> Levels:
        self._net.set_tensor(self._input, np.ascontiguousarray(samples, np.float32))
        self._net.invoke()
        level: Levels = self._net.get_tensor(self._logits).ravel()
        return level


def convolutions(path: Path = YAMNET) -> list[tuple[Floats, Floats]]:
    """Weights and biases of YAMNet's convolutions, in their order; their normalisation is folded into them.

    DataError as of `Yamnet`, and where the file is of another kind.
    """
    net = _interpreter(path, to_run=False)
    numbers = [_numbers(net, tensor) for tensor in net.get_tensor_details() if _of_convolution(tensor)]
    if len(numbers) != 2 * CONVOLUTIONS:
        raise DataError(f"{path}: not YAMNet with 8-bit weights", code="yamnet-other", remedy=f"Put {FILE} there.")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def label_scores(classes: Floats, labels: Sequence[str], class_map: Path = CLASS_MAP) -> Floats:
    """Scores (files, labels): the highest of the classes (files, CLASSES) that mean a label, 0 where none does."""
    with class_map.open(newline="", encoding="utf-8") as lines:
        number = {row["display_name"]: int(row["index"]) for row in csv.DictReader(lines)}
    scores = np.zeros((len(classes), len(labels)), np.float32)
    for column, label in enumerate(labels):
        if meant := [number[name] for name in (BY_ID[label].yamnet if label in BY_ID else ())]:
            scores[:, column] = classes[:, meant].max(axis=1)
    return scores


def windows_in(samples: int) -> int:
    """How many whole windows so much sound has."""
    return 1 + (samples - WINDOW) // HOP


def _interpreter(path: Path, *, to_run: bool) -> Any:
    """With what it makes on the way; or for its numbers alone, without a delegate and what that has to say."""
    if not path.is_file():
        raise DataError(f"{path}: YAMNet is missing", code="yamnet-missing", remedy=f"Put {FILE} there.")
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as err:
        raise DataError(
            "YAMNet needs ai-edge-litert", code="yamnet-runtime", remedy="Run: pip install --group train"
        ) from err
    plain = {"experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    how = {"experimental_preserve_all_tensors": True} if to_run else plain
    try:
        net = Interpreter(str(path), num_threads=1, **how)
        net.allocate_tensors()
    except (ValueError, RuntimeError) as err:
        raise DataError(
            f"{path}: cannot be read as a network ({err})", code="yamnet-unreadable", remedy=f"Put {FILE} there."
        ) from err
    return net


def _numbers(net: Any, tensor: dict[str, Any]) -> Floats:
    """A constant of one scale a channel."""
    levels, quantised = net.get_tensor(tensor["index"]), tensor["quantization_parameters"]
    shape = np.ones(levels.ndim, int)
    shape[quantised["quantized_dimension"]] = -1
    numbers: Floats = (levels * quantised["scales"].astype(np.float64).reshape(shape)).astype(np.float32)
    return numbers


def _of_convolution(tensor: dict[str, Any]) -> bool:
    """Whether a tensor is a convolution's weight or bias: only those and the last layer's weight have many scales."""
    many = len(tensor["quantization_parameters"]["scales"]) > 1
    return many and len(tensor["shape"]) != 2
