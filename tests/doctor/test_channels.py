"""The doctor shows the level of each channel."""

import numpy as np
import pytest

from listener.doctor.ambient import AmbientMeter
from listener.doctor.finding import Severity
from listener.doctor.sources import judged
from listener.pipeline.framer import Framer
from listener.pipeline.gates import OpenGate
from listener.pipeline.values import Block


@pytest.mark.parametrize(
    ("levels_dbfs", "severity"),
    [((-30, -31), Severity.OK), ((-20, -60, -90), Severity.NOTE), ((-30,), None)],
)
def test_each_channel_has_its_level(levels_dbfs: tuple[int, ...], severity: Severity | None) -> None:
    gate = OpenGate()
    meter = AmbientMeter(gate, 1.0)
    noise = np.random.default_rng(0).standard_normal((80_000, len(levels_dbfs)))
    pcm = np.round(noise * 32768 * 10 ** (np.array(levels_dbfs) / 20)).astype(np.int16)
    for frames in Framer(16_000).frames(
        meter.blocks([Block(0, 16_000, pcm[:40_000]), Block(40_000, 16_000, pcm[40_000:])])
    ):
        meter.on_frames(frames, gate(frames))
    measured = meter.room()
    assert measured.channels_dbfs == pytest.approx(levels_dbfs, abs=1)
    found = [each for each in judged("mic", measured) if each.code.startswith("level-channels")]
    assert [each.level for each in found] == ([severity] if severity else [])
    if severity is Severity.NOTE:
        assert "channel = " in found[0].remedy
