"""An exported model in ONNX Runtime, without a bundle around it."""

import numpy as np
import onnxruntime as ort

from listener.pipeline.classifier import INPUT, NEXT_STATE, STATE, Outputs, State
from listener.pipeline.values import Floats


class Runtime:
    """Runs log-mel columns float32 (1, mels, columns) from a state."""

    def __init__(self, model: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def initial(self) -> State:
        """The state before a stream begins."""
        inputs = self._session.get_inputs()
        return {part.name: np.zeros(part.shape, np.float32) for part in inputs if part.name.startswith(STATE)}

    def __call__(self, mel: Floats, state: State) -> tuple[Outputs, State]:
        """Outputs by name, and the state after the columns."""
        values = dict(zip(self._names, self._session.run(None, {INPUT: mel, **state}), strict=True))
        outputs = {name: value for name, value in values.items() if not name.startswith(NEXT_STATE)}
        return outputs, {name: values[NEXT_STATE + name.removeprefix(STATE)] for name in state}
