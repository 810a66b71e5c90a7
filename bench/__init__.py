"""What listener costs and how quickly it answers, beside what people would use instead: `python -m bench`."""

import listener  # noqa: F401 - first of all: it keeps ONNX Runtime from reporting to its maker
