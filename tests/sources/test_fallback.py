"""A source that is not to be had is replaced by another, under its name."""

import pytest

from listener.errors import SourceError
from listener.pipeline.values import SourceState
from listener.sources.fallback import Fallback
from tests.fakes import FakeSource, blocks, noise, pcm

AUDIO = blocks(pcm(noise(0.1, -20)))


class Doubted(FakeSource):
    """Counts how often it was doubted."""

    doubts = 0

    def doubt(self) -> None:
        self.doubts += 1


class Patient(FakeSource):
    """It may be silent for long."""

    patience_s = 60.0


def test_it_is_as_patient_as_the_one_that_plays() -> None:
    first = Patient(AUDIO)
    assert Fallback(first, FakeSource(AUDIO), "").patience_s == 60
    refused = Fallback(Patient([], then=SourceError("there is no input device")), FakeSource(AUDIO), "")
    assert list(refused.blocks(lambda *_: None)) == AUDIO
    assert refused.patience_s == 0


def test_what_cannot_be_had_is_replaced_and_said() -> None:
    first = FakeSource([], name="kitchen", live=True, then=SourceError("there is no input device"))
    fallback = Fallback(first, FakeSource(AUDIO, name="demo"), "playing the demo")
    reports: list[tuple[SourceState, str]] = []
    assert list(fallback.blocks(lambda *report: reports.append(report))) == AUDIO
    assert fallback.name == "kitchen"
    assert reports[-1] == (SourceState.LISTENING, "playing the demo")


def test_what_fails_once_it_was_heard_is_not_replaced() -> None:
    first = FakeSource(AUDIO, then=SourceError("it broke"))
    with pytest.raises(SourceError, match="it broke"):
        list(Fallback(first, FakeSource(AUDIO), "playing the demo").blocks(lambda *_: None))


def test_a_doubt_reaches_the_first_where_it_can_be_doubted() -> None:
    first = Doubted(AUDIO)
    Fallback(first, FakeSource(AUDIO), "").doubt()
    Fallback(FakeSource(AUDIO), first, "").doubt()
    assert first.doubts == 1
