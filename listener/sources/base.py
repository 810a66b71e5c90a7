"""The base class of sources."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

from listener.base.overrides import check_overrides
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.values import Block, Pcm
from listener.sources.pcm import amplified, selected

Report = Callable[[SourceState, str], None]  # the new state, and one sentence for a person


class SourceUnavailable(SourceError):
    """The source cannot be opened now, but may be later."""


class SourceConfig(Section, frozen=True):
    """The settings that all sources have."""

    name: Annotated[str, Meta(min_length=1, description="the name in events; each source has its own")]
    channel: Annotated[
        Annotated[int, Meta(ge=0, le=63)] | list[Annotated[int, Meta(ge=0, le=63)]] | None,
        Meta(description="the channel to use, from 0, or a list of channels to mix; not set: all, mixed"),
    ] = None
    gain_db: Annotated[float, Meta(ge=-60, le=60, description="makes the audio louder or quieter")] = 0.0

    @property
    def channel_numbers(self) -> tuple[int, ...]:
        """The channels to use; empty for all."""
        return (self.channel,) if isinstance(self.channel, int) else tuple(self.channel or ())

    def prepared(self, pcm: Pcm) -> Pcm:
        """Return the chosen channels of audio with the gain applied.

        Raises:
            SourceError: The audio has fewer channels.
        """
        return amplified(selected(pcm, self.channel_numbers), self.gain_db)


class Position:
    """Where the next block of a stream starts, also after a change of the sample rate."""

    def __init__(self) -> None:
        self._stop, self._rate = 0, 1

    @property
    def seconds(self) -> float:
        """The length of the stream so far."""
        return self._stop / self._rate

    def advance(self, samples: int, rate: int) -> int:
        """Add a block of so many samples per channel; return its start in samples at its rate."""
        start = self._stop if rate == self._rate else -(-self._stop * rate // self._rate)
        self._stop, self._rate = start + samples, rate
        return start


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

    def problems(self) -> Iterator[SourceError]:
        """Yield what would keep the source from working, as far as that shows without opening it. May take seconds."""
        return iter(())

    @property
    def can_wait(self) -> bool:
        """Whether the audio waits if it is not read in time, as in a file or a pipe from one."""
        return not self.live

    def on_signal_fault(self) -> None:  # noqa: B027 - optional
        """React to audio that a working microphone would not deliver, for example by reopening the device."""
