"""Recordings through the shipped bundle keep their labels, and silence has none."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.golden import GOLDEN, Answer, answerer
from listener.pipeline import bundle
from models.data.bank import decode
from models.data.rooms import room_noise

CLIPS = json.loads(GOLDEN.read_text())
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def answer() -> Answer:
    return answerer(bundle.load(bundle.find(bundle.DEFAULT)))


@pytest.mark.parametrize(("label", "path"), CLIPS["recorded"])
def test_a_recording_keeps_its_label(answer: Answer, label: str, path: str) -> None:
    if not (DATA / path).is_file():
        pytest.skip("the real recordings (../shared/data) are not here")
    assert answer(decode(DATA / path, 16_000))[0] == label


@pytest.mark.parametrize("level_dbfs", [-80, -60, -40])
def test_room_noise_and_silence_have_no_label(answer: Answer, level_dbfs: int) -> None:
    noise = room_noise(np.random.default_rng(3), 48_000) * np.float32(10 ** (level_dbfs / 20))
    assert answer(noise)[1] < 0.5
    assert answer(np.zeros(48_000, np.float32))[1] < 0.5
