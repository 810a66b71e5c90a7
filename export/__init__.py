"""From a checkpoint to a bundle, from a checkout only, with the proof that they agree."""

import listener  # noqa: F401 - first of all: it keeps ONNX Runtime from reporting to its maker
