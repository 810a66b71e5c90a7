"""Run a bundle's model: log-mel in, probabilities out. The only file that imports onnxruntime.

A model of format 2 has state: it takes chunks of the newest columns and returns the state that the next chunk starts
from, so every column is computed once. `Classifier` holds the model, `StreamClassifier` the state of one stream.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from listener.errors import BundleError, ClassifierError
from listener.pipeline.bundle import EXPORT_AGAIN, MODEL, Bundle
from listener.pipeline.onnx_files import refers_to_files
from listener.pipeline.values import Features, Floats, Prediction

INPUT, SCORES = "mel", "scores"
FRAMES, EMBEDDING, FAMILIARITY = "frames", "embedding", "familiarity"  # optional outputs
STATE, NEXT_STATE = "state_", "next_state_"  # followed by the number of the part
NOWHERE = "/dev/null"  # folder of external weights: there must be none
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
CUDA_REMEDY = (
    "Install an NVIDIA driver, CUDA 12 with cuDNN 9, and onnxruntime-gpu in place of onnxruntime "
    "(pip uninstall onnxruntime && pip install onnxruntime-gpu), or set model.providers to 'auto' or 'cpu'."
)

Outputs = dict[str, NDArray[np.float32]]
State = dict[str, NDArray[np.float32]]


class Classifier:
    """The model of a bundle. It may be shared between threads; `stream` makes the part that may not.

    Raises:
        BundleError: The model is not what the bundle says.
        ClassifierError: The model cannot run here.
    """

    def __init__(self, bundle: Bundle, providers: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        self.bundle = bundle
        self._session = _session(bundle, providers)
        inputs, outputs = self._session.get_inputs(), [output.name for output in self._session.get_outputs()]
        self._shapes = {part.name: part.shape for part in inputs if part.name.startswith(STATE)}
        self._names = [name for name in (SCORES, FRAMES, EMBEDDING, FAMILIARITY) if name in outputs or name == SCORES]
        self._state_names = [NEXT_STATE + name.removeprefix(STATE) for name in self._shapes]
        self._check()
        used = self._session.get_providers()  # not always those that were requested
        self.provider = "cuda" if CUDA in used else "cpu"
        if providers == "cuda" and self.provider != "cuda":
            raise ClassifierError("CUDA did not start", code="classifier-cuda-missing", remedy=CUDA_REMEDY)

    def stream(self) -> "StreamClassifier":
        """A classifier for one stream, which starts as after silence."""
        return StreamClassifier(self)

    def initial_state(self) -> State:
        """The state before a stream begins: all zero."""
        return {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def run(self, mel: Floats, state: State) -> tuple[Outputs, State]:
        """Run the model on log-mel columns.

        Args:
            mel: float32 (mels, columns): a whole clip, or chunks of new columns if the model has state.
            state: As `initial_state` or the last `run` returned it.

        Returns:
            The outputs by name, for a batch of one, and the state after the columns.

        Raises:
            ClassifierError: The model failed, or gave a score that is not finite.
        """
        try:
            values = self._session.run([*self._names, *self._state_names], {INPUT: mel[None], **state})
        except Exception as err:  # onnxruntime raises bare RuntimeErrors and classes of its own
            raise ClassifierError(f"the model failed on a clip: {err}", code="classifier-failed") from err
        outputs = dict(zip(self._names, values, strict=False))
        if not np.isfinite(outputs[SCORES]).all():  # smoothed scores would never recover
            raise ClassifierError("the model gave a score that is not finite", code="classifier-not-finite")
        return outputs, dict(zip(self._shapes, values[len(self._names) :], strict=True))

    def _check(self) -> None:
        """Run the model once, so that it does not fail at the first sound."""
        spec, chunk = self.bundle.features, self.bundle.manifest.chunk_columns
        if (chunk > 0) != bool(self._shapes):
            self._refuse(f"{'has' if self._shapes else 'lacks'} state, bundle.json has chunk_columns = {chunk}")
        if any(not all(isinstance(size, int) for size in shape) for shape in self._shapes.values()):
            self._refuse("has state without a fixed shape")
        try:
            outputs, state = self.run(np.zeros((spec.mels, chunk or spec.columns), np.float32), self.initial_state())
        except ClassifierError as err:
            raise BundleError(
                f"bundle {self.bundle.name}: {MODEL} fails on its input (1, {spec.mels}, {chunk or spec.columns}): "
                f"{err.message}",
                code="bundle-model-invalid",
                remedy=EXPORT_AGAIN,
            ) from err
        for name, part in state.items():
            if list(part.shape) != self._shapes[name]:
                self._refuse(f"returns {name} {part.shape}, but takes {tuple(self._shapes[name])}")
        for fault in _faults({name: output.shape for name, output in outputs.items()}, self.bundle):
            self._refuse(fault)

    def _refuse(self, fault: str) -> None:
        raise BundleError(
            f"bundle {self.bundle.name}: {MODEL} {fault}", code="bundle-model-invalid", remedy=EXPORT_AGAIN
        )


class StreamClassifier:
    """Classifies the clips of one stream in order. Not for use by several threads.

    With a model that has state only the columns that are new in a clip are computed. A clip that does not overlap or
    follow the one before, as after a gap, starts again from the initial state and runs over the whole clip.
    """

    def __init__(self, classifier: Classifier) -> None:
        spec = classifier.bundle.features
        self._classifier = classifier
        self._chunk = classifier.bundle.manifest.chunk_columns
        self._hop = spec.hop
        silence = (20 / spec.power * np.log10(spec.log_floor) - spec.mean_db) / spec.scale_db
        self._silence = np.full((spec.mels, self._chunk), silence, np.float32)
        frame_columns = classifier.bundle.frame_s * spec.sample_rate / spec.hop
        self._frame_columns = frame_columns or 1.0
        self._state = classifier.initial_state()
        self._outputs: Outputs = {}
        self._seen: int | None = None  # end of the last clip whose columns are all in the state

    def __call__(self, features: Features) -> Prediction:
        """Classify a clip. Raises ClassifierError."""
        if self._chunk:
            outputs = self._run_new(features)
        else:
            outputs, _ = self._classifier.run(features.mel, {})
        parts = {name: output[0] for name, output in outputs.items()}
        similarity = float(parts[FAMILIARITY]) if FAMILIARITY in parts else None
        return Prediction(
            features.span, parts[SCORES], features.context, parts.get(FRAMES), parts.get(EMBEDDING), similarity
        )

    def _run_new(self, features: Features) -> Outputs:
        mel, columns = features.mel, features.mel.shape[1]
        new = columns + 1 if self._seen is None else (features.span.stop - self._seen) // self._hop
        if not 0 <= new <= columns or features.span.start > (self._seen or 0):
            self._state = self._classifier.initial_state()
            new, mel = columns, np.concatenate([self._silence[:, : -columns % self._chunk], mel], axis=1)
            new = mel.shape[1]
        whole = new // self._chunk * self._chunk
        start = mel.shape[1] - new
        if whole:
            self._outputs, self._state = self._classifier.run(
                np.ascontiguousarray(mel[:, start : start + whole]), self._state
            )
            self._seen = features.span.stop - (new - whole) * self._hop
        return self._run_rest(mel[:, start + whole :]) if new > whole else self._outputs

    def _run_rest(self, mel: Floats) -> Outputs:
        """Outputs with columns that do not fill a chunk, silence after them. The state does not include them."""
        silent = self._chunk - mel.shape[1]
        outputs, _ = self._classifier.run(np.concatenate([mel, self._silence[:, :silent]], axis=1), self._state)
        later = round(silent / self._frame_columns)
        if FRAMES in outputs and later:  # frame scores end with the clip, not with the silence
            outputs[FRAMES] = np.pad(outputs[FRAMES], ((0, 0), (0, 0), (later, 0)))[:, :, :-later]
        return outputs


def _session(bundle: Bundle, providers: str) -> ort.InferenceSession:
    if providers == "cuda" and CUDA not in ort.get_available_providers():
        raise ClassifierError(
            "model.providers is 'cuda', but this onnxruntime has no CUDA",
            code="classifier-cuda-missing",
            remedy=CUDA_REMEDY,
        )
    wanted = [CPU] if providers == "cpu" else [name for name in (CUDA, CPU) if name in ort.get_available_providers()]
    try:
        refers = refers_to_files(bundle.model)
        session = None if refers else ort.InferenceSession(bundle.model, _options(), providers=wanted)
    except Exception as err:
        raise BundleError(
            f"bundle {bundle.name}: cannot load {MODEL}: {err}", code="bundle-model-invalid", remedy=EXPORT_AGAIN
        ) from err
    if session is None:
        raise BundleError(
            f"bundle {bundle.name}: {MODEL} refers to other files",
            code="bundle-model-refers-to-files",
            remedy="Use only bundles that you trust.",
        )
    return session


def _options() -> ort.SessionOptions:
    """One thread that sleeps when idle. The default pool spins, which costs 14 % of a core at four clips a second."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    options.log_severity_level = 3  # errors only
    return options


def _faults(shapes: dict[str, tuple[int, ...]], bundle: Bundle) -> Iterator[str]:
    """How the output shapes for one clip differ from the manifest, worst first."""
    labels, frame_s = len(bundle.labels), bundle.frame_s
    if shapes[SCORES] != (1, labels):
        yield f"gives {shapes[SCORES][-1]} scores, bundle.json has {labels} labels"
    if (FRAMES in shapes) != (frame_s > 0):
        yield f"gives {'' if FRAMES in shapes else 'no '}{FRAMES}, bundle.json has frame_s = {frame_s:g}"
    if FRAMES in shapes:
        yield from _frame_faults(shapes[FRAMES], bundle)
    if EMBEDDING in shapes and (len(shapes[EMBEDDING]) != 2 or shapes[EMBEDDING][0] != 1):
        yield f"gives {EMBEDDING} {shapes[EMBEDDING]} for one clip, not (1, size)"
    if (FAMILIARITY in shapes) != (bundle.familiar != 0):
        gives = "gives" if FAMILIARITY in shapes else "gives no"
        yield f"{gives} {FAMILIARITY}, bundle.json has familiar = {bundle.familiar:g}"
    if FAMILIARITY in shapes and shapes[FAMILIARITY] != (1,):
        yield f"gives {FAMILIARITY} {shapes[FAMILIARITY]} for one clip, not (1,)"


def _frame_faults(shape: tuple[int, ...], bundle: Bundle) -> Iterator[str]:
    labels, clip_s = len(bundle.labels), bundle.features.clip_samples / bundle.features.sample_rate
    if len(shape) != 3 or shape[:2] != (1, labels):
        yield f"gives {FRAMES} {shape}, not (1, {labels}, frames)"
    elif abs(shape[2] * bundle.frame_s - clip_s) > bundle.frame_s:
        yield f"gives {shape[2]} {FRAMES}, which do not cover a clip of {clip_s:g} s at frame_s = {bundle.frame_s:g}"
