"""The base class of sinks."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

from listener.base.overrides import check_overrides
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.messages import Event, Hello, Level, Spectrum, Status
from listener.routing.controls import Controls
from listener.routing.recorder import Recorder


class SinkConfig(Section, frozen=True):
    """What every [[sink]] section has."""

    name: Annotated[str, Meta(description="its name in status lines, logs and file names; empty: its kind")] = ""


class BaseSink(ABC):
    """A place where events go.

    Subclasses are made with their `Config` and a `Hello`, and implement `emit`; everything else has a default that does
    nothing. A sink whose `open` failed is opened again later, so `open` must leave nothing behind when it raises.

    Attributes:
        Config: The section of the configuration that describes such a sink, a subclass of `SinkConfig`.
        needs_ends: Whether the sink gets the end of each event that it got a line of, even if `when.phases` says
            otherwise, because it keeps the state of events.
    """

    Config: ClassVar[Any]
    needs_ends: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_overrides(cls, BaseSink)

    @property
    def requirements(self) -> Requirements:
        """Files, programs, addresses and other things that the sink needs."""
        return Requirements()

    def open(self) -> None:  # noqa: B027 - optional, as are all that follow
        """Get ready for events. Called again after a failure, and once more on a sink that is open already.

        Raises:
            SinkError: The receiver is not there now, but may be later.
        """

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Deliver an event line. Called by one thread per sink, which it may block.

        Raises:
            SinkError: The line could not be delivered, and is counted as lost.
            OutputClosed: Nobody reads the output any more; the daemon stops.
        """

    def close(self) -> None:  # noqa: B027
        """Deliver what can be delivered at once, and let everything go. May be called on a sink that is not open."""

    def probe(self) -> str:
        """Connect to the receiver and leave again, without delivering anything.

        Returns:
            How it went, in words; empty if there is no receiver to connect to.

        Raises:
            SinkError: The receiver cannot be reached.
        """
        return ""

    @property
    def waiting(self) -> int:
        """Events that the sink has accepted and not yet delivered."""
        return 0

    @property
    def lost(self) -> int:
        """Events that the sink has accepted and given up."""
        return 0

    # The daemon calls these from its own threads; they neither block nor raise.

    def on_hello(self, hello: Hello) -> None:  # noqa: B027
        """Take over labels, groups and thresholds that a reload has changed.

        Raises:
            ConfigError: The sink cannot work with them; the reload is refused.
        """

    def on_status(self, status: Status) -> None:  # noqa: B027
        """Take the state of the daemon, about once a second."""

    @property
    def wants_levels(self) -> bool:
        """Whether `on_level` is to be called: somebody looks at a meter."""
        return False

    def on_level(self, level: Level) -> None:  # noqa: B027
        """Take the level of a source, ten times a second."""

    @property
    def wants_spectrum(self) -> bool:
        """Whether `on_spectrum` is to be called: somebody looks at a spectrogram."""
        return False

    def on_spectrum(self, spectrum: Spectrum) -> None:  # noqa: B027
        """Take new columns of the spectrogram of a source."""

    def set_controls(self, controls: Controls) -> None:  # noqa: B027
        """Take the controls through which receivers may command the daemon. Called before `open`."""

    @property
    def wants_audio(self) -> bool:
        """Whether `add_recorder` is to be called."""
        return False

    def add_recorder(self, recorder: Recorder) -> None:  # noqa: B027
        """Take the recent audio of a source. Called for each source before `open`."""
