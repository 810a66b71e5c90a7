"""Real-time sound events from a microphone: `from listener import listen` gives them to a program."""

import os
from typing import TYPE_CHECKING, Any

from listener.base.version import __version__

if TYPE_CHECKING:
    from listener.api import listen

# Nothing leaves the machine: ONNX Runtime's wheels report to their maker (since 1.29 on Linux) unless this is set
# before they are loaded. Whoever sets it to something else has decided so.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["__version__", "listen"]


def __getattr__(name: str) -> Any:
    """`listen`, imported when it is asked for: the command line need not pay for it."""
    if name == "listen":
        from listener.api import listen

        return listen
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
