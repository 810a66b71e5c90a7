"""Does listener stay up? Real daemons, hurt in every way that machines hurt them: `python -m soak`."""

import listener  # noqa: F401 - first of all: it keeps ONNX Runtime from reporting to its maker
