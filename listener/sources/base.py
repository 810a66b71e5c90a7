"""The base class of sources."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from listener.base.overrides import check_overrides
from listener.base.requirements import Requirements
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block

Report = Callable[[SourceState, str], None]  # the new state, and one sentence for a person


class SourceUnavailable(SourceError):
    """The source cannot be opened now, but may be later."""


class BaseSource(ABC):
    """A place where audio comes from.

    Subclasses implement `blocks` and `close`; everything else has a default that does nothing.

    Attributes:
        Config: The section of the configuration that describes such a source.
        name: The name that events carry.
        live: Whether audio that is not read in time is lost, as with a microphone.
        substitute_name: The name that events carry instead while a substitute is read; empty if there is none.
        is_substituted: Whether a substitute is read.
        silence_timeout_s: How long the source may deliver no audio while it is LISTENING, and still be well.
        requirements: Files, programs and other things that the source needs.
    """

    Config: ClassVar[Any]
    name: str
    live: bool = False
    silence_timeout_s: float = 0.0
    substitute_name: str = ""
    is_substituted: bool = False
    requirements: Requirements = Requirements()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_overrides(cls, BaseSource)

    @abstractmethod
    def blocks(self, report: Report) -> Iterator[Block]:
        """Open the device, file or pipe and read it until it ends or another thread calls `close`.

        A live source recovers from interruptions by itself and reports them.

        Args:
            report: Called with each change of state.

        Raises:
            SourceError: The source cannot be read, and trying again would not help.
        """

    @abstractmethod
    def close(self) -> None:
        """Make `blocks` end soon. May be called more than once, from any thread."""

    def on_signal_fault(self) -> None:  # noqa: B027 - optional
        """React to audio that a working microphone would not deliver, for example by reopening the device."""
