"""Real-time sound events from a microphone: `from listener import listen` gives them to a program."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from listener.library import listen

__version__ = "0.1.0"
__all__ = ["__version__", "listen"]


def __getattr__(name: str) -> Any:
    """`listen`, imported when it is asked for: the command line need not pay for it."""
    if name == "listen":
        from listener.library import listen

        return listen
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
