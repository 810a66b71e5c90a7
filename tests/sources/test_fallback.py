"""A source that cannot be opened is replaced by another, under its name."""

import pytest

from listener.errors import SourceError
from listener.messages import SourceState
from listener.sources.fallback import Fallback
from tests.fakes import FakeSource, blocks, noise, pcm

AUDIO = blocks(pcm(noise(0.1, -20)))


class Quiet(FakeSource):
    """It may be silent for long, and counts its signal faults."""

    silence_timeout_s = 60.0
    faults = 0

    def on_signal_fault(self) -> None:
        self.faults += 1


def test_the_silence_timeout_is_that_of_the_source_being_read() -> None:
    assert Fallback(Quiet(AUDIO), FakeSource(AUDIO), "").silence_timeout_s == 60
    refused = Fallback(Quiet([], then=SourceError("no input device")), FakeSource(AUDIO), "")
    assert list(refused.blocks(lambda *_: None)) == AUDIO
    assert refused.silence_timeout_s == 0


def test_a_source_that_cannot_be_opened_is_replaced_and_the_state_says_so() -> None:
    first = FakeSource([], name="kitchen", live=True, then=SourceError("no input device"))
    fallback = Fallback(first, FakeSource(AUDIO, name="demo"), "playing the demo")
    reports: list[tuple[SourceState, str]] = []
    assert list(fallback.blocks(lambda *report: reports.append(report))) == AUDIO
    assert (fallback.name, fallback.live) == ("kitchen", True)
    assert reports[-1] == (SourceState.LISTENING, "playing the demo")


def test_a_source_that_fails_after_it_delivered_audio_is_not_replaced() -> None:
    failure = SourceError("it broke")
    with pytest.raises(SourceError) as caught:
        list(Fallback(FakeSource(AUDIO, then=failure), FakeSource(AUDIO), "").blocks(lambda *_: None))
    assert caught.value is failure


def test_a_signal_fault_reaches_the_first_source_alone() -> None:
    first = Quiet(AUDIO)
    Fallback(first, FakeSource(AUDIO), "").on_signal_fault()
    Fallback(FakeSource(AUDIO), first, "").on_signal_fault()
    assert first.faults == 1
