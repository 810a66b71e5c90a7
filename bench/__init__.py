"""Benchmarks of cost and latency, compared with alternatives: `python -m bench`."""

import listener  # noqa: F401 - first, because it disables ONNX Runtime's telemetry
