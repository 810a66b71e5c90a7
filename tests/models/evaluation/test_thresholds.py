"""Thresholds follow from what missed and false events cost, at three operating points."""

from pathlib import Path

import numpy as np
import pytest

from listener.errors import ListenerError
from listener.pipeline.bundle import LabelRule
from models.evaluation import calibration
from models.evaluation.calibration import FittedRules
from models.evaluation.event_matching import TrueEvent
from models.evaluation.thresholds import ScoredScene, cost, events_of, fit, smoothed, tally

RULE = LabelRule(on=0.5, off=0.25, hold_s=1.0)
TIMES_S = np.arange(0.5, 60.5, 0.5, dtype=np.float32)


def scores(*spans: tuple[float, float, float]) -> np.ndarray:
    """Scores that are a value from one time to another, and else next to nothing."""
    found = np.full(len(TIMES_S), 0.01, np.float32)
    for first_s, last_s, value in spans:
        found[(first_s <= TIMES_S) & (last_s >= TIMES_S)] = value
    return found


def scene(found: np.ndarray, *truth_s: tuple[float, float], label: str = "rain") -> ScoredScene:
    return ScoredScene(TIMES_S, found[:, None], [TrueEvent(label, *span) for span in truth_s])


def test_an_event_begins_over_on_and_ends_once_it_is_below_off_for_the_hold() -> None:
    found = events_of(TIMES_S, scores((10, 14, 0.9), (14.5, 16, 0.3), (17, 18, 0.3)), "rain", RULE)
    assert [(event.detected_s, event.end_s) for event in found] == [(10.0, 17.0)]


def test_a_longer_silence_makes_two_events() -> None:
    assert len(events_of(TIMES_S, scores((10, 14, 0.9), (20, 24, 0.9)), "rain", RULE)) == 2


def test_a_score_that_never_exceeds_on_makes_no_event() -> None:
    assert events_of(TIMES_S, scores((10, 20, 0.45)), "rain", RULE) == []


def test_hits_false_alarms_and_lateness_are_counted() -> None:
    counts = tally("rain", 0, RULE, [scene(scores((10, 14, 0.9), (40, 42, 0.9)), (9.0, 13.0), (25.0, 28.0))])
    assert counts.tolist() == [2, 1, 1, 1.0]
    assert cost(counts, 1.5) == pytest.approx(1 + 1.5 + 0.1)


def test_smoothing_weighs_the_past_by_the_time_that_went_by() -> None:
    found = smoothed(np.array([0.5, 1.0, 2.0]), np.array([[1.0], [0.0], [0.0]], np.float32), 0.5, 0.5)
    assert found[:, 0].tolist() == [1.0, 0.5, 0.125]


def scenes(label: str = "rain") -> list[ScoredScene]:
    """Ten events with high scores, ten with middling ones, and ten false ones between."""
    spans, truth = [], []
    for n, value in enumerate((0.9, 0.55, 0.35)):
        begin = 2 + 20 * n
        spans += [(begin, begin + 3, value)]
        truth += [(begin - 0.5, begin + 3.0)] * (n != 1)
    return [scene(scores(*spans), *truth, label=label)] * 10


def test_the_more_sensitive_the_lower_the_threshold() -> None:
    found = fit(("rain",), {"rain": RULE}, scenes())
    low, medium, high = found.thresholds["rain"]["low"], found.rules["rain"].on, found.thresholds["rain"]["high"]
    assert low >= medium >= high
    assert low > high
    assert found.rules["rain"].off == pytest.approx(medium / 2)


def test_a_false_alarm_of_an_urgent_label_costs_more() -> None:
    usual, urgent = (fit((label,), {label: RULE}, scenes(label)).rules[label].on for label in ("rain", "siren"))
    assert urgent > usual


def test_a_calibration_is_kept_and_read_again(tmp_path: Path) -> None:
    kept = FittedRules({"rain": RULE}, {"rain": {"low": 0.9, "high": 0.2}})
    calibration.write(tmp_path / "it.json", kept)
    assert calibration.read(tmp_path / "it.json") == kept
    with pytest.raises(ListenerError) as refused:
        calibration.read(tmp_path / "absent.json")
    assert refused.value.code == "calibration-unreadable"
