"""Training, from a checkout only: data, synthesis, mixing, network, recipe, train, evaluate."""

import listener  # noqa: F401 - first of all: it keeps ONNX Runtime from reporting to its maker
