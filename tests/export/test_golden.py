"""Golden clips through the shipped bundle keep their labels."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.golden import GOLDEN, Answer, answerer
from listener.pipeline import bundle
from models.data.bank import decode
from models.data.rooms import room_noise
from models.data.synthesis import STANDARD
from models.evaluation.test_split import unseen_sound

CLIPS = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {"synthesised": [], "recorded": []}
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def answer() -> Answer:
    return answerer(bundle.load(bundle.find(bundle.DEFAULT)))


@pytest.mark.parametrize(("label", "number"), CLIPS["synthesised"])
def test_a_synthesised_golden_clip_keeps_its_label(answer: Answer, label: str, number: int) -> None:
    assert answer(unseen_sound(label, number))[0] == label


@pytest.mark.parametrize(("label", "path"), CLIPS["recorded"])
def test_a_recorded_golden_clip_keeps_its_label(answer: Answer, label: str, path: str) -> None:
    if not (DATA / path).is_file():
        pytest.skip("the real recordings (../shared/data) are not here")
    assert answer(decode(DATA / path, 16_000))[0] == label


def test_every_synthesised_label_has_golden_clips() -> None:
    assert {label for label, _ in CLIPS["synthesised"]} == set(STANDARD)


@pytest.mark.parametrize("level_dbfs", [-80, -60, -40])
def test_room_noise_and_silence_answer_to_nothing(answer: Answer, level_dbfs: int) -> None:
    noise = room_noise(np.random.default_rng(3), 48_000) * np.float32(10 ** (level_dbfs / 20))
    assert answer(noise)[1] < 0.5
    assert answer(np.zeros(48_000, np.float32))[1] < 0.5
