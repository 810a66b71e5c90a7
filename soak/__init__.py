"""Long-running tests of real daemons under every fault that machines have: `python -m soak`."""

import listener  # noqa: F401 - first, because it disables ONNX Runtime's telemetry
