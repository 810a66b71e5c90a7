"""An outlet: a sink that cannot be opened is the end of a daemon that needs it, and waited for by one that does not."""

import logging

import pytest

from listener.errors import ConfigError, SinkError
from listener.routing.sink_worker import QUEUE_EVENTS, SinkBinding, SinkWorker
from tests.fakes import FakeSink
from tests.sinks.messages import event
from tests.waiting import eventually


def outlet(sink: FakeSink, *retry_on: type[Exception], retry_s: float = 0.01) -> SinkWorker:
    made = SinkWorker(SinkBinding("log", sink, retry_on=retry_on), lambda: None, retry_s)
    made.open()
    return made


def test_a_sink_that_cannot_be_opened_is_an_error() -> None:
    with pytest.raises(SinkError):
        outlet(FakeSink(refusals=1))


def test_a_sink_that_does_not_open_is_closed_and_knows_the_controls_no_more() -> None:
    sink = FakeSink(refusals=1)
    with pytest.raises(SinkError):
        outlet(sink)
    assert sink.calls == ["close"]


def test_one_that_is_spared_is_said_once_and_opened_when_it_can_be(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = FakeSink(refusals=4)
    late = outlet(sink, SinkError)
    late.offer(event(1))
    eventually(lambda: sink.events == [event(1)])
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert not late.is_absent
    late.finish()
    late.thread.join(5)
    assert sink.calls == ["open", "close"]


def test_what_waited_for_it_in_vain_is_lost_and_counted() -> None:
    never = outlet(FakeSink(refusals=1_000_000), SinkError, retry_s=3600)
    for number in range(QUEUE_EVENTS + 3):
        never.offer(event(number))
    assert (never.waiting, never.lost) == (QUEUE_EVENTS, 3)
    never.finish()
    never.thread.join(5)
    assert not never.thread.is_alive()
    assert (never.waiting, never.lost) == (0, QUEUE_EVENTS + 3)


def test_one_that_is_not_there_is_not_said_to_be_slow(caplog: pytest.LogCaptureFixture) -> None:
    never = outlet(FakeSink(refusals=1_000_000), SinkError, retry_s=3600)
    for number in range(QUEUE_EVENTS + 1):
        never.offer(event(number))
    never.report_losses()
    assert "is not open yet" in caplog.messages[-1]
    never.finish()
    never.thread.join(5)


def test_one_that_fails_otherwise_while_it_is_tried_again_is_tried_on() -> None:
    """Its token file, say, is being replaced."""
    failures = [SinkError("no broker; start it"), ConfigError("token_file: gone"), ZeroDivisionError()]

    class Fickle(FakeSink):
        def open(self) -> None:
            if failures:
                raise failures.pop(0)

    sink = Fickle()
    late = outlet(sink, SinkError)
    late.offer(event(1))
    eventually(lambda: sink.events == [event(1)])
    late.finish()
    late.thread.join(5)
    assert late.lost == 0
