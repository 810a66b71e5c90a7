"""YAMNet is asked about a file once, and again when the file is another."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.pipeline.values import Floats
from models.evaluation.report.yamnet import peer_scores
from models.evaluation.test_split import Files
from models.evaluation.yamnet import CLASSES
from tests.models.sounds import RATE, tone


class FakePeer:
    """Says of each file's two windows the logits 0 and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def logits(self, samples: Floats) -> Floats:
        assert len(samples)
        self.asked += 1
        return np.stack([np.zeros(CLASSES, np.float32), np.full(CLASSES, self.asked, np.float32)])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    names = tuple(str(tmp_path / name) for name in ("a.wav", "b.wav"))
    for name in names:
        soundfile.write(name, tone(500, 1.0), RATE)
    return Files(("x", "x"), ("set", "set"), names, np.zeros((0, 1, 1), np.float16), np.zeros(0, np.int64))


def test_the_score_of_a_file_is_the_mean_over_its_windows(files: Files, tmp_path: Path) -> None:
    scores = peer_scores(files, FakePeer(), tmp_path / "cache")
    assert scores[:, 0].tolist() == pytest.approx([(0.5 + 1 / (1 + np.exp(-n))) / 2 for n in (1, 2)])


def test_files_are_asked_about_once(files: Files, tmp_path: Path) -> None:
    peer = FakePeer()
    first = peer_scores(files, peer, tmp_path / "cache")
    assert np.array_equal(peer_scores(files, peer, tmp_path / "cache"), first)
    assert peer.asked == 2


def test_a_file_that_has_changed_is_asked_about_again(files: Files, tmp_path: Path) -> None:
    peer = FakePeer()
    peer_scores(files, peer, tmp_path / "cache")
    soundfile.write(files.names[0], tone(700, 1.0), RATE)
    peer_scores(files, peer, tmp_path / "cache")
    assert peer.asked == 4
