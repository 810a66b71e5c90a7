"""Thresholds of labels, fitted to a bundle's scores in scenes of a fold that it was not trained on.

A label's events are simulated from its recorded scores (smoothing, `on`, `off`, hold) for every candidate threshold,
and matched with the truth. Three operating points come out: `medium` has the lowest cost, `low` the fewest false
alarms, `high` the fewest misses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from listener.pipeline.bundle import LabelRule, Sensitivity
from listener.pipeline.clipper import ClipConfig
from listener.pipeline.tracker import EventConfig
from listener.pipeline.values import Floats, Prediction
from models.data.labels import BY_ID
from models.evaluation.bundle_runner import RATE
from models.evaluation.calibration import FittedRules
from models.evaluation.event_matching import ReportedEvent, TrueEvent, match

ON = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.97, 0.985, 0.995)
OFF = 0.5  # of `on`
LATE_COST = 0.1  # missed events' worth of a second that an event comes late
FALSE_COST, URGENT_COST = 0.8, 2.0  # missed events' worth of a false alarm
SENSITIVITY_COST: dict[Sensitivity, float] = {"low": 4.0, "medium": 1.0, "high": 0.3}  # times that
TYPICAL = 3.0  # events' worth of belief that a label is like the others

Tally = NDArray[np.float64]  # (4,): true events, hits, false alarms, seconds that the hits were late


@dataclass(frozen=True, slots=True)
class ScoredScene:
    """A bundle's scores of a scene's clips, and the scene's events."""

    times_s: Floats  # (clips,) end of each clip
    scores: Floats  # (clips, labels), smoothed as the tracker does
    truth: list[TrueEvent]


def smoothed(
    times_s: Floats, scores: Floats, smoothing: float = EventConfig().smoothing, hop_s: float = ClipConfig().hop_s
) -> Floats:
    """The tracker's running mean of scores (clips, labels): the weight of the past is `smoothing` for each hop."""
    result, mean, last = np.empty_like(scores), np.zeros(scores.shape[1], np.float32), -np.inf
    for n, time_s in enumerate(times_s):
        past = float(smoothing ** max((time_s - last) / hop_s, 0.0)) if np.isfinite(last) else 0.0
        mean = past * mean + (1 - past) * scores[n]
        result[n], last = mean, time_s
    return result


def events_of(times_s: Floats, scores: Floats, label: str, rule: LabelRule) -> list[ReportedEvent]:
    """The events that a rule makes of one label's smoothed scores (clips,)."""
    found: list[ReportedEvent] = []
    over = np.flatnonzero(scores > rule.off)
    if not len(over) or scores.max() <= rule.on:
        return []
    breaks = np.flatnonzero(np.diff(times_s[over]) > rule.hold_s)
    for first, last in zip(over[np.r_[0, breaks + 1]], over[np.r_[breaks, len(over) - 1]], strict=True):
        begun = np.flatnonzero(scores[first : last + 1] > rule.on)
        if len(begun):
            detected_s, end_s = float(times_s[first + begun[0]]), float(times_s[last])
            found.append(ReportedEvent(label, detected_s - 1.0, max(detected_s, end_s - 1.0), detected_s))
    return found


def tally(label: str, column: int, rule: LabelRule, scenes: Sequence[ScoredScene]) -> Tally:
    """What a rule makes of a label in some scenes."""
    counts = np.zeros(4)
    for scene in scenes:
        truth = [true for true in scene.truth if true.label == label]
        found = match(events_of(scene.times_s, scene.scores[:, column], label, rule), truth)
        late = sum(event.detected_s - true.onset_s for event, true in found.hits)
        counts += (len(truth), len(found.hits), len(found.false), late)
    return counts


def fit(labels: Sequence[str], usual: Mapping[str, LabelRule], scenes: Sequence[ScoredScene]) -> FittedRules:
    """The rules with the lowest cost in some scenes, leaning on what suits all labels."""
    tables = {
        label: {on: tally(label, column, _at(usual[label], on), scenes) for on in ON}
        for column, label in enumerate(labels)
    }
    sums = {on: np.sum([table[on] for table in tables.values()], axis=0) for on in ON}
    typical = {on: total / max(1.0, float(total[0])) for on, total in sums.items()}
    rules: dict[str, LabelRule] = {}
    thresholds: dict[str, dict[Sensitivity, float]] = {}
    for label, table in tables.items():
        believed = {on: counts + TYPICAL * typical[on] for on, counts in table.items()}
        points = {name: _best(believed, label, times) for name, times in SENSITIVITY_COST.items()}
        rules[label] = _at(usual[label], points["medium"])
        thresholds[label] = {"low": points["low"], "high": points["high"]}
    return FittedRules(rules, thresholds)


def cost(counts: Tally, false_cost: float) -> float:
    """Missed, false and late events, in missed ones."""
    true, hit, false, late = counts
    return float(true - hit + false_cost * false + LATE_COST * late)


def of_predictions(predictions: Sequence[Prediction], truth: list[TrueEvent]) -> ScoredScene:
    """A scene's scores out of the pipeline's predictions."""
    times = np.array([prediction.span.stop / RATE for prediction in predictions], np.float32)
    raw = np.stack([prediction.scores for prediction in predictions])
    return ScoredScene(times, smoothed(times, raw), truth)


def _best(table: Mapping[float, Tally], label: str, times: float) -> float:
    urgent = label in BY_ID and BY_ID[label].kind == "urgent"
    false_cost = times * (URGENT_COST if urgent else FALSE_COST)
    return min((cost(counts, false_cost), on) for on, counts in table.items())[1]


def _at(rule: LabelRule, on: float) -> LabelRule:
    return msgspec.structs.replace(rule, on=on, off=round(on * OFF, 4))
