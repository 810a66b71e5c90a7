"""Log-mel in, probabilities out. The only file that imports onnxruntime."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import onnxruntime as ort

from listener.errors import BundleError, ClassifierError
from listener.pipeline.bundle import MODEL, Bundle
from listener.pipeline.values import Features, Prediction

INPUT, SCORES = "mel", "scores"
FRAMES, EMBEDDING, FAMILIARITY = "frames", "embedding", "familiarity"  # not every model has them
NOWHERE = "/dev/null"  # a model may name files that its weights are in: a stranger's is not to read ours
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Classifier:
    """The model of a bundle, ready to run. Safe to share between threads.

    Raises BundleError where the model is not what the bundle says, ClassifierError where it cannot run here.
    """

    def __init__(self, bundle: Bundle, providers: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        self._session = _session(bundle, providers)
        there = {output.name for output in self._session.get_outputs()}
        self._further = [name for name in (FRAMES, EMBEDDING, FAMILIARITY) if name in there]
        _check_shapes(self._session, self._further, bundle)
        used = self._session.get_providers()  # what it really got, which is not always what was asked for
        self.provider = "cuda" if CUDA in used else "cpu"
        if providers == "cuda" and self.provider != "cuda":
            raise ClassifierError(f"model.providers = 'cuda', but CUDA did not start. {_CUDA_REMEDY}")

    def __call__(self, features: Features) -> Prediction:
        try:
            scores, *further = self._session.run([SCORES, *self._further], {INPUT: features.mel[None]})
        except Exception as err:  # onnxruntime raises bare RuntimeErrors and classes of its own
            raise ClassifierError(f"the model failed on a clip: {err}") from err
        if not np.isfinite(scores).all():  # smoothed scores would never be rid of it
            raise ClassifierError("the model gave a score that is no number")
        of = {name: output[0] for name, output in zip(self._further, further, strict=True)}
        familiarity = float(of[FAMILIARITY]) if FAMILIARITY in of else None
        return Prediction(features.span, scores[0], features.context, of.get(FRAMES), of.get(EMBEDDING), familiarity)


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
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    options.log_severity_level = 3  # errors only: warnings of graph optimisation help nobody who runs it
    return options


def _check_shapes(session: ort.InferenceSession, further: list[str], bundle: Bundle) -> None:
    """Run it once: a count of labels that does not match must not be found out by the first bark."""
    spec, names = bundle.features, [SCORES, *further]
    try:
        outputs = session.run(names, {INPUT: np.zeros((1, spec.mels, spec.columns), dtype=np.float32)})
    except Exception as err:
        raise BundleError(
            f"bundle {bundle.name}: {MODEL} does not take {INPUT} (1, {spec.mels}, {spec.columns}) "
            f"and give {', '.join(names)}: {err}. Export the bundle again."
        ) from err
    if not np.isfinite(outputs[0]).all():
        raise BundleError(f"bundle {bundle.name}: {MODEL} gives scores that are no numbers. Export the bundle again.")
    for fault in _faults({name: output.shape for name, output in zip(names, outputs, strict=True)}, bundle):
        raise BundleError(f"bundle {bundle.name}: {MODEL} {fault}. Export the bundle again.")


def _faults(shapes: dict[str, tuple[int, ...]], bundle: Bundle) -> Iterator[str]:
    """How the shapes of the outputs for one clip differ from what the bundle says, worst first."""
    labels, frame_s = len(bundle.labels), bundle.frame_s
    if shapes[SCORES] != (1, labels):
        yield f"gives {shapes[SCORES][-1]} scores, bundle.json names {labels} labels"
    if (FRAMES in shapes) != (frame_s > 0):
        yield f"gives {'' if FRAMES in shapes else 'no '}{FRAMES}, bundle.json says frame_s = {frame_s:g}"
    if FRAMES in shapes:
        yield from _frame_faults(shapes[FRAMES], bundle)
    if EMBEDDING in shapes and (len(shapes[EMBEDDING]) != 2 or shapes[EMBEDDING][0] != 1):
        yield f"gives {EMBEDDING} {shapes[EMBEDDING]} for one clip, not (1, size)"
    if (FAMILIARITY in shapes) != (bundle.familiar != 0):
        gives = "gives" if FAMILIARITY in shapes else "gives no"
        yield f"{gives} {FAMILIARITY}, bundle.json says familiar = {bundle.familiar:g}"
    if FAMILIARITY in shapes and shapes[FAMILIARITY] != (1,):
        yield f"gives {FAMILIARITY} {shapes[FAMILIARITY]} for one clip, not (1,)"


def _frame_faults(shape: tuple[int, ...], bundle: Bundle) -> Iterator[str]:
    labels, clip_s = len(bundle.labels), bundle.features.clip_samples / bundle.features.sample_rate
    if len(shape) != 3 or shape[:2] != (1, labels):
        yield f"gives {FRAMES} {shape}, not (1, {labels}, frames)"
    elif abs(shape[2] * bundle.frame_s - clip_s) > bundle.frame_s:
        yield f"gives {shape[2]} {FRAMES}, which at frame_s = {bundle.frame_s:g} are not the {clip_s:g} s of a clip"
