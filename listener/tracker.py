"""Turns scores, half a second apart, into events with a start, a peak and an end."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from listener.bundle import LabelRule
from listener.types import Floats, Prediction, Span
from listener.wire import Event, Phase

TOP = 5
ONSET_BACK_S = 1.0  # a sound that pushes a score up began at most so long before the last clip that did not have it
TAIL_S = 1.5  # a window stays hot so long after a sound has ended in it: the estimate where the gate heard no end


@dataclass(frozen=True, slots=True)
class Rules:
    """What a tracker goes by: the labels in the model's order, their rules, and the names they are reported under.

    A label without a rule is never reported.
    """

    labels: tuple[str, ...]
    rules: dict[str, LabelRule]
    names: dict[str, str]
    smoothing: float
    update_s: float
    sample_rate: int
    hop_s: float


@dataclass(slots=True)
class _Track:
    """One label of one stream: its smoothed score, and the event that is under way, if any. Samples."""

    label: str
    rule: LabelRule
    smoothed: float = 0.0
    last_quiet: int = 0  # end of the last clip that was under the off-threshold
    id: str | None = None
    seq: int = 0
    start: int = 0
    alive: int = 0  # end of the last clip that kept the event alive
    activity_start: int = 0  # of the gate's stretch of activity, when the event was last kept alive
    activity_stop: int = 0
    detected: int = 0
    reported: bool = False
    peak: float = 0.0
    peak_reported: float = 0.0
    last_report: int = 0
    level_dbfs: float = -100.0
    ready: int = 0  # no new event before this: cool-down


class Tracker:
    """Hysteresis per label over smoothed scores.

    An event starts when its smoothed score passes `on`, lives while it is over `off`, and ends after `hold_s`
    without; one shorter than `min_s` is never reported. `prefix` makes ids unique over sources and restarts.
    Events carry no wall-clock times: whoever knows the clock adds them.
    """

    def __init__(self, rules: Rules, *, source: str, model: str, prefix: str) -> None:
        self._rules = rules
        self._source, self._model, self._prefix = source, model, prefix
        self._numbers = count(1)
        self._tracks = {
            index: _Track(label, rules.rules[label]) for index, label in enumerate(rules.labels) if label in rules.rules
        }
        self._last: Prediction | None = None
        self._under_way = 0

    @property
    def active(self) -> bool:
        """Whether an event is under way, so that clips must keep coming for it to end."""
        return self._under_way > 0

    def update(self, prediction: Prediction) -> Iterator[Event]:
        """The events that begin, change or end with this prediction."""
        keep = self._weight_of_the_past(prediction.span)
        for index, track in self._tracks.items():
            track.smoothed = keep * track.smoothed + (1 - keep) * float(prediction.scores[index])
            yield from self._advance(track, prediction)
        self._last = prediction

    def finish(self) -> Iterator[Event]:
        """The ends of all events under way: the stream is over."""
        for track in self._tracks.values():
            if track.id and self._last:
                yield from self._end(track, self._last)
            track.smoothed = 0.0

    def _weight_of_the_past(self, span: Span) -> float:
        """Smoothing for clips one hop apart; a pause forgets more, the extra clip at a gate's edge less."""
        if self._last is None:
            return 0.0
        hops = (span.stop - self._last.span.stop) / (self._rules.hop_s * self._rules.sample_rate)
        return float(self._rules.smoothing ** max(hops, 0.0))

    def _advance(self, track: _Track, prediction: Prediction) -> Iterator[Event]:
        now = prediction.span.stop
        if track.id is None and track.smoothed > track.rule.on and now >= track.ready:
            self._begin(track, prediction)
        if track.id is None:
            if track.smoothed < track.rule.off:
                track.last_quiet = now
            return
        if track.smoothed > track.rule.off:
            self._keep_alive(track, prediction)
            yield from self._report(track, prediction)
        elif now - track.alive >= self._samples(track.rule.hold_s):
            yield from self._end(track, prediction)

    def _begin(self, track: _Track, prediction: Prediction) -> None:
        track.id = f"{self._prefix}-{next(self._numbers)}"
        self._under_way += 1
        track.seq, track.reported, track.peak, track.peak_reported = 0, False, 0.0, 0.0
        track.start = self._onset(track, prediction)
        track.level_dbfs = prediction.heard.level_dbfs

    def _onset(self, track: _Track, prediction: Prediction) -> int:
        """Where the gate's activity began, if that can be this sound; else shortly before its score rose."""
        earliest = max(prediction.span.start, track.last_quiet - self._samples(ONSET_BACK_S))
        began = prediction.heard.activity.start
        return began if began >= earliest else (earliest + prediction.span.stop) // 2

    def _keep_alive(self, track: _Track, prediction: Prediction) -> None:
        track.alive = prediction.span.stop
        track.peak = max(track.peak, track.smoothed)
        track.level_dbfs = max(track.level_dbfs, prediction.heard.level_dbfs)
        track.activity_start, track.activity_stop = prediction.heard.activity.start, prediction.heard.activity.stop

    def _offset(self, track: _Track, prediction: Prediction) -> int:
        """Where the gate's activity ended that last kept the event alive; else somewhat before it was last alive."""
        latest = prediction.heard.activity
        stopped = latest.stop if latest.start == track.activity_start else track.activity_stop
        if stopped <= prediction.span.stop - self._samples(self._rules.hop_s):
            return max(track.start, min(stopped, track.alive))
        outlasts_stream = track.alive == prediction.span.stop
        return max(track.detected, track.alive - (0 if outlasts_stream else self._samples(TAIL_S)))

    def _report(self, track: _Track, prediction: Prediction) -> Iterator[Event]:
        now = prediction.span.stop
        if not track.reported:
            if now - track.start >= self._samples(track.rule.min_s):
                track.reported, track.detected = True, now
                yield self._event(track, "start", prediction)
        elif track.peak > track.peak_reported and now - track.last_report >= self._samples(self._rules.update_s):
            yield self._event(track, "update", prediction)

    def _end(self, track: _Track, prediction: Prediction) -> Iterator[Event]:
        if track.reported:
            yield self._event(track, "end", prediction)
            track.ready = prediction.span.stop + self._samples(track.rule.cooldown_s)
        track.id = None
        self._under_way -= 1
        track.last_quiet = prediction.span.stop

    def _event(self, track: _Track, phase: Phase, prediction: Prediction) -> Event:
        track.peak_reported, track.last_report = track.peak, prediction.span.stop
        event = Event(
            id=track.id or "",
            seq=track.seq,
            phase=phase,
            label=self._name(track.label),
            score=round(track.smoothed, 4),
            peak=round(track.peak, 4),
            start=None,
            end=None,
            start_s=self._seconds(track.start),
            end_s=self._seconds(self._offset(track, prediction)) if phase == "end" else None,
            detected_s=self._seconds(track.detected),
            source=self._source,
            level_dbfs=round(track.level_dbfs, 1),
            model=self._model,
            top=top_labels(self._rules, prediction.scores),
        )
        track.seq += 1
        return event

    def _name(self, label: str) -> str:
        return self._rules.names.get(label, label)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rules.sample_rate)

    def _seconds(self, samples: int) -> float:
        return round(samples / self._rules.sample_rate, 3)


def top_labels(rules: Rules, scores: Floats) -> dict[str, float]:
    """The highest scores by the names they are reported under, highest first."""
    best = np.argsort(scores)[::-1][:TOP]
    return {rules.names.get(rules.labels[i], rules.labels[i]): round(float(scores[i]), 4) for i in best}
