"""Calibration finds the scale and offset that there are, keeps the order of scores, and survives its file."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit  # type: ignore[import-untyped]

from listener.errors import ListenerError
from listener.pipeline.bundle import LabelRule
from listener.pipeline.values import Floats
from models.evaluation.calibration import Calibration, platt, read, write

KNOWN = Calibration(("low", "high"), (2.0, 0.5), (-1.0, 0.3), {"low": LabelRule(on=0.6), "high": LabelRule()})


def simulated(clips: int = 20_000) -> tuple[Floats, np.ndarray]:
    """Raw scores (clips, 2), and truth that comes about as often as KNOWN says of them."""
    rng = np.random.default_rng(0)
    scores = expit(rng.normal(-1, 2, (clips, 2))).astype(np.float32)
    return scores, rng.random((clips, 2)) < KNOWN.apply(scores)


def test_scale_and_offset_are_found_again() -> None:
    scores, truth = simulated()
    scale, offset = platt(scores, truth, np.ones_like(truth))
    assert scale == pytest.approx(KNOWN.scale, rel=0.05)
    assert offset == pytest.approx(KNOWN.offset, abs=0.08)


def test_what_is_not_known_is_not_fitted_to() -> None:
    scores, truth = simulated()
    known = np.random.default_rng(1).random(truth.shape) < 0.7
    assert platt(scores, truth & known, known) == platt(scores, truth, known)


def test_a_label_of_which_nothing_is_known_stays_as_it_is() -> None:
    scores, truth = simulated(10)
    assert platt(scores, truth, np.zeros_like(truth)) == ((1.0, 1.0), (0.0, 0.0))


def test_a_few_examples_do_not_carry_the_scale_away() -> None:
    scores, truth = np.array([[0.1], [0.9]], np.float32), np.array([[False], [True]])
    ((scale,), _) = platt(scores, truth, np.ones_like(truth))
    assert 0.8 < scale < 1.25


def test_a_higher_score_is_a_higher_probability() -> None:
    scores = np.repeat(np.linspace(0, 1, 1001, dtype=np.float32)[:, None], 2, axis=1)
    calibrated = KNOWN.apply(scores)
    assert calibrated.dtype == np.float32
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    assert (np.diff(calibrated, axis=0) >= 0).all()
    assert (np.diff(calibrated[1:-1], axis=0) > 0).mean() > 0.95


def test_scale_one_and_offset_nothing_change_nothing() -> None:
    scores, _ = simulated(100)
    same = Calibration(("low", "high"), (1.0, 1.0), (0.0, 0.0), {})
    np.testing.assert_allclose(same.apply(scores), scores, atol=1e-5)


def test_a_calibration_that_is_written_is_read_the_same(tmp_path: Path) -> None:
    write(tmp_path / "calibration.json", KNOWN)
    assert read(tmp_path / "calibration.json") == KNOWN


@pytest.mark.parametrize("content", [None, b"", b"{", b"{}", b'{"labels": 3}'])
def test_a_broken_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calibration.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ListenerError, match=r"models\.calibrate"):
        read(path)


def test_a_part_of_a_calibration_serves_a_model_of_fewer_labels() -> None:
    part = KNOWN.of(["high"])
    assert (part.labels, part.scale, part.offset, list(part.rules)) == (("high",), (0.5,), (0.3,), ["high"])


def test_a_label_that_was_not_calibrated_is_named() -> None:
    with pytest.raises(ListenerError, match="whistle"):
        KNOWN.of(["low", "whistle"])
