"""The base class of sinks."""

import pytest

from listener.messages import Event, Level
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from tests.sinks.messages import HELLO, event, level, status


class Minimal(BaseSink):
    """A plug-in that implements nothing but `emit`."""

    def emit(self, event: Event) -> None:
        self.event = event


def test_a_sink_needs_nothing_but_emit() -> None:
    sink = Minimal()
    sink.set_controls(Controls((), {}, ()))
    sink.open()
    sink.emit(event(1))
    sink.on_hello(HELLO)
    sink.on_status(status())
    sink.on_level(level())
    sink.close()
    assert sink.event == event(1)
    assert (sink.waiting, sink.lost, sink.probe()) == (0, 0, "")
    assert (sink.wants_levels, sink.wants_spectrum, sink.wants_audio) == (False, False, False)


def test_a_misspelt_method_is_refused_when_the_class_is_defined() -> None:
    with pytest.raises(TypeError, match="on_level"):

        class Misspelt(Minimal):
            def on_levels(self, level: Level) -> None: ...


def test_a_sink_without_emit_cannot_be_made() -> None:
    class Lacking(BaseSink):
        pass

    with pytest.raises(TypeError):
        Lacking()  # type: ignore[abstract]
