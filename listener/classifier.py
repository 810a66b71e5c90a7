"""Log-mel in, probabilities out. The only file that imports onnxruntime."""

from typing import Literal

import numpy as np
import onnxruntime as ort

from listener.bundle import MODEL, Bundle
from listener.errors import BundleError, ClassifierError
from listener.types import Features, Prediction

INPUT, SCORES = "mel", "scores"
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Classifier:
    """The model of a bundle, ready to run. Safe to share between threads.

    Raises BundleError where the model is not what the bundle says, ClassifierError where it cannot run here.
    """

    def __init__(self, bundle: Bundle, providers: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        self._session = _session(bundle, providers)
        _check_shapes(self._session, bundle)
        used = self._session.get_providers()  # what it really got, which is not always what was asked for
        self.provider = "cuda" if CUDA in used else "cpu"
        if providers == "cuda" and self.provider != "cuda":
            raise ClassifierError(f"model.providers = 'cuda', but CUDA did not start. {_CUDA_REMEDY}")

    def __call__(self, features: Features) -> Prediction:
        try:
            (scores,) = self._session.run([SCORES], {INPUT: features.mel[None]})
        except Exception as err:  # onnxruntime raises bare RuntimeErrors and classes of its own
            raise ClassifierError(f"the model failed on a clip: {err}") from err
        return Prediction(features.span, scores[0], features.heard)


_CUDA_REMEDY = (
    "It needs an NVIDIA driver, CUDA 12 with cuDNN 9, and onnxruntime-gpu in place of onnxruntime: "
    "pip uninstall onnxruntime && pip install onnxruntime-gpu. Or set model.providers to 'auto' or 'cpu'."
)


def _session(bundle: Bundle, providers: str) -> ort.InferenceSession:
    if providers == "cuda" and CUDA not in ort.get_available_providers():
        raise ClassifierError(f"model.providers = 'cuda', but this onnxruntime has no CUDA. {_CUDA_REMEDY}")
    wanted = [CPU] if providers == "cpu" else [name for name in (CUDA, CPU) if name in ort.get_available_providers()]
    try:
        return ort.InferenceSession(bundle.model, _options(), providers=wanted)
    except Exception as err:
        raise BundleError(f"bundle {bundle.name}: {MODEL} is no model that ONNX Runtime can load: {err}") from err


def _options() -> ort.SessionOptions:
    """One thread that sleeps when idle: the default pool spins, and burns 14 % of a core at four clips a second."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only: warnings of graph optimisation help nobody who runs it
    return options


def _check_shapes(session: ort.InferenceSession, bundle: Bundle) -> None:
    """Run it once: a count of labels that does not match must not be found out by the first bark."""
    spec = bundle.features
    try:
        (scores,) = session.run([SCORES], {INPUT: np.zeros((1, spec.mels, spec.columns), dtype=np.float32)})
    except Exception as err:
        raise BundleError(
            f"bundle {bundle.name}: {MODEL} does not take {INPUT} (1, {spec.mels}, {spec.columns}) "
            f"and give {SCORES}: {err}. Export the bundle again."
        ) from err
    if scores.shape != (1, len(bundle.labels)):
        raise BundleError(
            f"bundle {bundle.name}: {MODEL} gives {scores.shape[-1]} scores, bundle.json names "
            f"{len(bundle.labels)} labels. Export the bundle again."
        )
