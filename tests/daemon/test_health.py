"""What the log and the status say of a source: few lines, and the truth."""

import logging

import numpy as np
import pytest

from listener.daemon.health import DropoutMeter, SourceHealth
from listener.daemon.signal_faults import SILENCE
from listener.messages import SourceState
from listener.pipeline.values import Block
from tests.fakes import blocks, noise, pcm

WAITING, LISTENING, RECOVERING, ENDED = SourceState
ZEROS = Block(0, 16_000, np.zeros((16_000, 1), np.int16))
(ROOM,) = blocks(pcm(noise(1, -70)), block_s=1)


class Told:
    """A source's health by a clock of the test's, and the log's lines."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.now = 0.0
        self.health = SourceHealth("kitchen", lambda: self.now)
        self._caplog = caplog

    def passes(self, seconds: int, block: Block | None = None) -> None:
        for _ in range(seconds):
            self.now += 1
            if block:
                self.health.check(block)
            self.health.tick()

    def lines(self) -> list[str]:
        return [f"{record.levelname} {record.getMessage()}" for record in self._caplog.records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


def test_a_microphone_that_was_waited_for_is_one_line_each(told: Told) -> None:
    told.health.report(WAITING, "there is no input device")
    told.health.report(WAITING, "it is busy")
    told.health.report(LISTENING, "USB, 48000 Hz")
    assert told.lines() == [
        "WARNING kitchen: waiting: there is no input device",
        "INFO kitchen: listening: USB, 48000 Hz",
    ]


def test_three_interruptions_are_two_lines(told: Told) -> None:
    told.health.report(LISTENING, "USB")
    for _ in range(3):
        told.health.report(RECOVERING, "the device went away")
        told.passes(13)
        told.health.report(RECOVERING, "there is no input device")
        told.health.report(LISTENING, "USB")
        assert told.health.interrupted
        told.passes(5)
    told.passes(5)
    assert told.lines()[1:] == [
        "WARNING kitchen: recovering: the device went away",
        "INFO kitchen: listening again after 3 interruptions, 39 s deaf: USB",
    ]
    assert not told.health.interrupted


def test_what_is_lost_while_a_flaky_microphone_listens_again_is_none_of_its_interruptions(told: Told) -> None:
    told.health.report(LISTENING, "USB")
    told.health.report(RECOVERING, "the device went away")
    told.passes(3)
    assert told.health.interrupted
    told.health.report(LISTENING, "USB")
    told.passes(1)
    assert told.health.interrupted
    told.passes(4)
    assert not told.health.interrupted
    assert told.lines()[-1].startswith("WARNING")  # the episode is not over yet


def test_a_microphone_that_is_away_for_long_is_a_line_an_hour(told: Told) -> None:
    told.health.report(LISTENING, "USB")
    told.health.report(RECOVERING, "the device went away")
    told.passes(3600)
    assert told.lines()[2:] == [
        "WARNING kitchen: not steady yet, 1 interruption, 3600 s deaf, now recovering: the device went away"
    ]


def test_a_move_to_another_source_is_a_line(told: Told) -> None:
    told.health.report(LISTENING, "default")
    told.health.report(LISTENING, "default; the sound server moved it to camera")
    assert told.lines()[1:] == ["INFO kitchen: listening: default; the sound server moved it to camera"]


def test_digital_silence_is_said_with_its_remedy_and_when_it_is_over(told: Told) -> None:
    told.health.report(LISTENING, "USB")
    told.passes(9, ZEROS)
    assert told.health.trouble == ""
    told.passes(31, ZEROS)
    assert told.health.trouble == SILENCE.sentence
    assert told.health.state == "listening"
    told.passes(40, ROOM)
    assert told.health.trouble == ""
    (begun, over) = told.lines()[1:]
    assert begun == f"WARNING kitchen: {SILENCE.sentence}"
    assert over == "INFO kitchen: no more digital silence, after 41 s"


def test_a_muted_microphone_that_is_plugged_again_is_no_news(told: Told) -> None:
    told.health.report(LISTENING, "USB")
    told.passes(20, ZEROS)
    told.health.report(RECOVERING, "the device went away")
    assert told.health.trouble == ""
    told.passes(60)
    told.health.report(LISTENING, "USB")
    told.passes(20, ZEROS)
    assert [line for line in told.lines() if "silence" in line] == told.lines()[1:2]


def test_a_path_whose_bytes_are_no_text_is_told_as_text(told: Told) -> None:
    told.health.report(LISTENING, "/tmp/café/a\udcff.wav")
    told.health.report(LISTENING, "/tmp/café/a\udcff.wav")
    assert told.health.detail == "/tmp/café/a\N{REPLACEMENT CHARACTER}.wav"
    assert len(told.lines()) == 1


def test_whether_a_block_is_well_is_answered(told: Told) -> None:
    told.health.report(LISTENING, "USB")
    assert told.health.check(ROOM)
    told.passes(10, ZEROS)
    assert not told.health.check(ZEROS)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        pytest.param([0, 0, 1, 2, 3, 3, 3, 4, 4], [0, 0, 0, 0, 0, 3, 0, 0, 1], id="an episode is one line"),
        pytest.param([*range(0, 64), 63], [*[0] * 61, 61, 0, 0, 2], id="one that does not end is a line a minute"),
    ],
)
def test_what_was_lost_is_said_once(lost: list[float], said: list[float]) -> None:
    losses = DropoutMeter()
    assert [losses.news(lost_s, 1000.0 + second) for second, lost_s in enumerate(lost)] == said


def test_audio_that_is_lost_again_and_again_is_trouble_until_a_minute_went_well() -> None:
    losses, trouble = DropoutMeter(), []
    for second, lost_s in enumerate([0, 5, 5, 10, 10, 15, *[15] * 60]):
        losses.news(lost_s, 1000.0 + second)
        trouble.append(bool(losses.trouble))
    assert trouble == [False] * 5 + [True] * 57 + [False] * 4


def test_what_is_lost_while_a_microphone_is_away_is_no_such_trouble() -> None:
    losses = DropoutMeter()
    for lost_s in range(9):
        losses.news(lost_s, lost_s, known=True)
    assert not losses.trouble


def test_what_was_lost_while_it_was_deaf_is_not_said_twice() -> None:
    losses = DropoutMeter()
    assert [losses.news(lost_s, lost_s, known=lost_s < 4) for lost_s in (1, 2, 3, 4, 4)] == [0, 0, 0, 0, 1]
