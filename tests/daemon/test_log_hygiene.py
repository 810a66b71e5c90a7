"""A day of normal work is less than a hundred lines of log: events are none of them, and trouble is said once."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from listener import config as configuration
from listener.config import Part
from listener.daemon.service import Service
from listener.errors import SinkError
from listener.messages import Event, Hello, SourceState
from listener.pipeline.bundle import Bundle
from listener.pipeline.values import Block
from listener.sources.base import Report
from tests.fakes import FakeClassifier, FakeSink, FakeSource, noise, pcm

DAY = 200  # events; a home has about so many
ABSENCES = 10  # of the microphone
CONFIG = """
[[source]]
kind = "microphone"
name = "fake"
[[sink]]
kind = "socket"
path = "{folder}/listener.sock"
[[sink]]
kind = "history"
path = "{folder}/history.db"
[[sink]]
kind = "console"
[[sink]]
kind = "log"
"""


class Unreliable(FakeSink):
    """Refuses a third of its events, in runs, as a disk that is full every now and then."""

    def __init__(self) -> None:
        super().__init__(self._refuse)
        self.refused = self._count = 0

    def _refuse(self, _event: Event) -> None:
        self._count += 1
        if self._count % 120 < 40:
            self.refused += 1
            raise SinkError("the disk is full")


class Day(FakeSource):
    """A second of noise every ten, and a microphone that goes away and comes back, as fast as it can be heard."""

    def blocks(self, report: Report) -> Iterator[Block]:
        position, quiet, loud = 0, pcm(noise(9, -70)), pcm(noise(1, -12))
        report(SourceState.LISTENING, "fake")
        for number in range(DAY):
            if number % (DAY // ABSENCES) == DAY // ABSENCES - 1:
                report(SourceState.RECOVERING, "no block for 1 s")
                report(SourceState.RECOVERING, "there is no input device")
                report(SourceState.LISTENING, "fake")
            for samples in (quiet, loud):
                yield Block(position, 16_000, samples[:, None])
                position += len(samples)


def test_a_day_of_normal_work_is_less_than_a_hundred_lines(
    tiny: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "config.toml").write_text(CONFIG.format(folder=tmp_path))
    config = configuration.load(tmp_path / "config.toml")
    classifier = FakeClassifier(3)
    classifier.provider = "cpu"  # type: ignore[attr-defined]
    unreliable = Unreliable()

    def make_sink(part: Part, greeting: Hello) -> object:
        return unreliable if part.kind == "log" else part.factory(part.config, greeting)

    day = Day([], name="fake")
    service = Service(config, tiny, classifier, [day], make_sink=make_sink, read=lambda: config)  # type: ignore[arg-type]
    thread = threading.Thread(target=service.run)
    thread.start()
    thread.join(300)
    assert not thread.is_alive()
    assert capfd.readouterr().out.count("hiss") == 2 * DAY  # the starts and ends were told
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert len(lines) < 60, "\n".join(lines)
    assert not any("hiss" in line for line in lines)
    said = [line for line in lines if line.startswith("sink log")]
    lost = [int(line.rpartition(" ")[2]) for line in said if "works again; events lost" in line]
    assert said[0] == "sink log: the disk is full"
    assert len(said) <= 2 * (2 * DAY // 120 + 1)  # a line when it fails, and one when it works again
    assert sum(lost) in (unreliable.refused, unreliable.refused - unreliable._count % 120)
