"""Turns scores, half a second apart, into events with a start, a peak and an end."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Annotated

import numpy as np

from listener.base.schema import Meta, Section
from listener.messages import Event, Phase
from listener.pipeline.bundle import LabelRule
from listener.pipeline.frame_grid import BRIDGE_S, SETTLED_S, FrameGrid
from listener.pipeline.values import Floats, Prediction, Span

TOP = 5
ONSET_BACK_S = 1.0  # a sound that pushes a score up began at most so long before the last clip that did not have it
LATEST_S = 1.25  # so long after a sound has ended, its event may still begin
REMINDER_S = 30.0  # a line of an event under way so often: who was snoozed at its start, or not there, must learn of it
TAIL_S = 1.5  # a window stays hot so long after a sound has ended in it: the estimate where the gate heard no end

Score = Annotated[float, Meta(gt=0, lt=1)]
Seconds = Annotated[float, Meta(ge=0.0, le=3600.0)]
Similarity = Annotated[float, Meta(ge=-1, le=1)]


class EventConfig(Section, frozen=True):
    """How scores become events, for all labels. [labels.NAME] says what is special about one."""

    smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="weight of the past in a label's score; 0 is quickest, 0.9 calmest")
    ] = 0.3
    update_s: Annotated[float, Meta(ge=0.1, le=60, description="an event under way reports a new peak this often")] = (
        1.0
    )
    familiar: Annotated[
        Similarity | None,
        Meta(description="an event begins only with sound so like what the model knows; -1: any; not set: the model's"),
    ] = None


class LabelConfig(Section, frozen=True):
    """What is special about one label. What is left out comes from the model's bundle."""

    enabled: Annotated[bool, Meta(description="false: the label is never reported")] = True
    name: Annotated[str | None, Meta(description="report it under this name")] = None
    on: Annotated[Score | None, Meta(description="an event starts over this score")] = None
    off: Annotated[Score | None, Meta(description="and lives while it stays over this")] = None
    hold_s: Annotated[Seconds | None, Meta(description="it ends after so long below `off`")] = None
    min_s: Annotated[Seconds | None, Meta(description="and is reported only when it has lasted so long")] = None
    cooldown_s: Annotated[Seconds | None, Meta(description="after an end, no new one for so long")] = None
    frame: Annotated[Score | None, Meta(description="its start and end are where the model's frames are over this")] = (
        None
    )
    familiar: Annotated[
        Similarity | None, Meta(description="begins only with sound so like what the model knows; -1: with any")
    ] = None
    repeat_s: Annotated[
        Seconds | None,
        Meta(description="reported only when heard again so long after it was first heard; hold_s bridges the pause"),
    ] = None


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
    grid: FrameGrid | None = None  # None: the model has no frame scores
    familiar: float = 0.0  # an event begins only with a clip at least so familiar, where its rule does not say else

    def called(self, label: str) -> str:
        """The name under which a label is reported."""
        return self.names.get(label, label)


@dataclass(slots=True)
class _Track:
    """One label of one stream: its smoothed score, and the event that is under way, if any. Samples."""

    index: int  # in the model's order
    label: str
    rule: LabelRule
    smoothed: float = 0.0
    last_quiet: int = 0  # end of the last clip that was under the off-threshold
    id: str | None = None
    seq: int = 0
    start: int = 0
    first: int = 0  # the label was first heard no later than this
    alive: int = 0  # end of the last frame, or else clip, that kept the event alive
    sound_stop: int | None = None  # end of the last frame that had the sound; None: none had, or the model has none
    stop: int = 0
    activity_start: int = 0  # of the gate's stretch of activity, when the event was last kept alive
    activity_stop: int = 0
    detected: int = 0
    reported: bool = False
    peak: float = 0.0
    peak_reported: float = 0.0
    last_report: int = 0
    level_dbfs: float = -100.0
    ready: int = 0  # no new event before this: cool-down
    fresh: int = 0  # frames before this had their say in the event before


class Tracker:
    """Hysteresis per label over smoothed scores.

    An event starts when its smoothed score passes `on`, lives while it is over `off`, and ends after `hold_s`
    without; one shorter than `min_s`, or not heard again after `repeat_s`, is never reported. Scores say what a
    sound is. When it is, the model's frame scores say where it has them: a window stays hot long after a sound,
    so an event also ends `hold_s` after its last frame, and only a later frame begins the next.
    `prefix` makes ids unique over sources and restarts. Events carry no wall-clock times: whoever knows the
    clock adds them.
    """

    def __init__(self, rules: Rules, *, source: str, model: str, prefix: str) -> None:
        self._rules = rules
        self._source, self._model, self._prefix = source, model, prefix
        self._numbers = count(1)
        self._tracks = [
            _Track(index, label, rules.rules[label]) for index, label in enumerate(rules.labels) if label in rules.rules
        ]
        self._tuned: dict[str, float] = {}  # reported name -> on, where it is not the rule's
        self._last: Prediction | None = None
        self._levels: deque[tuple[int, float]] = deque()  # of the last clips' length: where each clip ended, and dBFS
        self._under_way = 0

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._rules

    @property
    def active(self) -> bool:
        """Whether an event is under way, so that clips must keep coming for it to end."""
        return self._under_way > 0

    def update(self, prediction: Prediction) -> Iterator[Event]:
        """The events that begin, change or end with this prediction."""
        if self._last and prediction.span.start > self._last.span.stop:  # nobody heard whether it went on
            yield from self._part(self._last, prediction.span.start)
        self._levels.append((prediction.span.stop, prediction.context.level_dbfs))
        while self._levels[0][0] <= prediction.span.start:
            self._levels.popleft()
        keep = self._weight_of_the_past(prediction.span)
        for track in self._tracks:
            track.smoothed = keep * track.smoothed + (1 - keep) * float(prediction.scores[track.index])
            yield from self._advance(track, prediction)
        self._last = prediction

    def retune(self, name: str, on: float | None) -> None:
        """From now on a label, by its reported name, has another on-threshold; None: that of its rule."""
        if on is None:
            self._tuned.pop(name, None)
        else:
            self._tuned[name] = on
        for track in self._tracks:
            track.rule = self._rule(track.label)

    def reconfigure(self, rules: Rules) -> Iterator[Event]:
        """Go by other rules from the next prediction on; the ends of the events that they do not know.

        An event under way goes on by them, unless its label is no longer reported, or under another name.
        """
        for track in self._tracks:
            goes_on = track.label in rules.rules and rules.called(track.label) == self._name(track.label)
            if track.id and self._last and not goes_on:
                yield from self._end(track, self._last)
        known = {track.label: track for track in self._tracks}
        self._rules = rules
        reported = {rules.called(label) for label in rules.rules}
        self._tuned = {name: on for name, on in self._tuned.items() if name in reported}
        now = self._last.span.stop if self._last else 0  # what was heard before is not asked about a new label
        self._tracks = [
            known.get(label) or _Track(index, label, rules.rules[label], last_quiet=now, fresh=now)
            for index, label in enumerate(rules.labels)
            if label in rules.rules
        ]
        for track in self._tracks:
            track.rule = self._rule(track.label)

    def finish(self) -> Iterator[Event]:
        """The ends of all events under way: the stream is over."""
        for track in self._tracks:
            if track.id and self._last:
                yield from self._end(track, self._last)
            track.smoothed = 0.0

    def _part(self, last: Prediction, now: int) -> Iterator[Event]:
        """The ends of the events that do not outlast a gap in the stream."""
        for track in self._tracks:
            if track.id and self._is_over(track, now):
                yield from self._end(track, last)

    def _weight_of_the_past(self, span: Span) -> float:
        """Smoothing for clips one hop apart; a pause forgets more, the extra clip at a gate's edge less."""
        if self._last is None:
            return 0.0
        hops = (span.stop - self._last.span.stop) / (self._rules.hop_s * self._rules.sample_rate)
        return float(self._rules.smoothing ** max(hops, 0.0))

    def _advance(self, track: _Track, prediction: Prediction) -> Iterator[Event]:
        sounds = self._sounds(track, prediction)
        if track.id is None and self._may_begin(track, prediction, sounds):
            self._begin(track, prediction, sounds)
        if track.id is None:
            if track.smoothed < track.rule.off:
                track.last_quiet = prediction.span.stop
            return
        if track.smoothed > track.rule.off:
            self._keep_alive(track, prediction, sounds)
            yield from self._report(track, prediction, sounds)
        if self._is_over(track, prediction.span.stop):
            yield from self._end(track, prediction)

    def _sounds(self, track: _Track, prediction: Prediction) -> list[Span]:
        """Where this clip's frames have the label's sound, for as far as that is of interest."""
        of_interest = track.id or track.smoothed > track.rule.on
        if not of_interest or self._rules.grid is None or prediction.frame_scores is None:
            return []
        scores = prediction.frame_scores[track.index]
        return self._rules.grid.sounds(scores, track.rule.frame, prediction.span, track.fresh)

    def _may_begin(self, track: _Track, prediction: Prediction, sounds: list[Span]) -> bool:
        if track.smoothed <= track.rule.on or prediction.span.stop < track.ready:
            return False
        # A network names whatever it hears; what is like nothing it was trained on is none of its labels.
        least = self._rules.familiar if track.rule.familiar is None else track.rule.familiar
        if prediction.similarity is not None and prediction.similarity < least:
            return False
        # A window may still be hot with the event before. Where frames can tell, they must.
        if not sounds:
            return prediction.frame_scores is None or prediction.span.start >= track.fresh
        # What was no sound of the label while it lasted does not become one while it leaves the window.
        return sounds[-1].stop > prediction.span.stop - self._samples(LATEST_S)

    def _begin(self, track: _Track, prediction: Prediction, sounds: list[Span]) -> None:
        track.id = f"{self._prefix}-{next(self._numbers)}"
        self._under_way += 1
        track.seq, track.reported, track.peak, track.peak_reported = 0, False, 0.0, 0.0
        track.start = self._onset(track, prediction, sounds)
        track.first = track.start if sounds else prediction.span.stop
        track.sound_stop = None
        track.level_dbfs = max(level_dbfs for stop, level_dbfs in self._levels if stop > track.start)

    def _onset(self, track: _Track, prediction: Prediction, sounds: list[Span]) -> int:
        """Where the frames have the sound that pushed the score up; else where the gate's activity began, if that
        can be this sound; else shortly before its score rose."""
        earliest = max(prediction.span.start, track.last_quiet - self._samples(ONSET_BACK_S))
        if sounds:
            return next((sound for sound in sounds if sound.stop > earliest), sounds[-1]).start
        began = prediction.context.activity.start
        return began if began >= earliest else (earliest + prediction.span.stop) // 2

    def _keep_alive(self, track: _Track, prediction: Prediction, sounds: list[Span]) -> None:
        if sounds:
            track.sound_stop = self._sound_stop(track, prediction.span, sounds[-1].stop)
        track.alive = prediction.span.stop if track.sound_stop is None else track.sound_stop
        track.peak = max(track.peak, track.smoothed)
        track.level_dbfs = max(track.level_dbfs, prediction.context.level_dbfs)
        track.activity_start, track.activity_stop = prediction.context.activity.start, prediction.context.activity.stop

    def _sound_stop(self, track: _Track, clip: Span, seen: int) -> int:
        """The end of the sound so far. What was at the right edge of a clip, the next sees with more after it, and
        takes back where it was wrong; but not when it is itself about to lose sight of it at its left edge."""
        in_full_view = track.sound_stop is None or track.sound_stop - clip.start >= self._samples(SETTLED_S)
        return seen if in_full_view else max(seen, track.sound_stop or 0)

    def _is_over(self, track: _Track, now: int) -> bool:
        hold_s = track.rule.hold_s if track.sound_stop is None else max(track.rule.hold_s, BRIDGE_S)
        return now > track.alive and now - track.alive >= self._samples(hold_s)

    def _report(self, track: _Track, prediction: Prediction, sounds: list[Span]) -> Iterator[Event]:
        now = prediction.span.stop
        if not track.reported:
            lasted = track.alive - track.start >= self._samples(track.rule.min_s)
            if lasted and self._has_repeated(track, prediction.span, sounds):
                track.reported, track.detected = True, now
                yield self._event(track, "start", prediction)
        elif now - track.last_report >= self._samples(self._quiet_s(track)):
            yield self._event(track, "update", prediction)

    def _quiet_s(self, track: _Track) -> float:
        """How long nothing is said of an event under way."""
        return min(self._rules.update_s, REMINDER_S) if track.peak > track.peak_reported else REMINDER_S

    def _has_repeated(self, track: _Track, clip: Span, sounds: list[Span]) -> bool:
        """Whether the label was heard again `repeat_s` after it was first heard.

        A window is hot for up to 3 s after one train of beeps, so a high score at that time is no second train:
        the clip that has it must show where it is. A frame does, once the clip has heard a little beyond it: at
        its right edge, in a window that is hot with the first train, one frame is easily wrong. Without frames
        the whole clip must lie after that time, and `first` is the end of the clip that first had the sound, so
        that no train which ended in time is in it. No pause is asked for: what just goes on must go on so long.
        """
        if not track.rule.repeat_s:
            return True
        if track.smoothed <= track.rule.on:
            return False
        due = track.first + self._samples(track.rule.repeat_s)
        if track.sound_stop is None:
            return clip.start >= due
        settled = clip.stop - self._samples(SETTLED_S)
        return any(max(sound.start, due) < min(sound.stop, settled) for sound in sounds)

    def _end(self, track: _Track, prediction: Prediction) -> Iterator[Event]:
        now = prediction.span.stop
        track.stop = self._offset(track, prediction)
        if track.reported:
            yield self._event(track, "end", prediction)
            track.ready = now + self._samples(track.rule.cooldown_s)
        track.id = None
        self._under_way -= 1
        track.last_quiet = now
        # Frames between its end and now were seen, and were not the sound. Later clips may waver; they are not asked.
        track.fresh = max(track.stop + self._samples(BRIDGE_S), now - self._samples(SETTLED_S))

    def _offset(self, track: _Track, prediction: Prediction) -> int:
        """Where the last frame ended that had the sound; else where the gate's activity ended that last kept the
        event alive; else somewhat before it was last alive."""
        if track.sound_stop is not None:
            return max(track.start, track.sound_stop)
        latest = prediction.context.activity
        stopped = latest.stop if latest.start == track.activity_start else track.activity_stop
        if stopped <= prediction.span.stop - self._samples(self._rules.hop_s):
            return max(track.start, min(stopped, track.alive))
        outlasts_stream = track.alive == prediction.span.stop
        return max(track.detected, track.alive - (0 if outlasts_stream else self._samples(TAIL_S)))

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
            end_s=self._seconds(track.stop) if phase == "end" else None,
            detected_s=self._seconds(track.detected),
            source=self._source,
            level_dbfs=round(track.level_dbfs, 1),
            model=self._model,
            top=top_labels(self._rules, prediction.scores),
        )
        track.seq += 1
        return event

    def _rule(self, label: str) -> LabelRule:
        rule, on = self._rules.rules[label], self._tuned.get(self._name(label))
        return rule if on is None else rule.retuned(on)

    def _name(self, label: str) -> str:
        return self._rules.called(label)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rules.sample_rate)

    def _seconds(self, samples: int) -> float:
        return round(samples / self._rules.sample_rate, 3)


def top_labels(rules: Rules, scores: Floats) -> dict[str, float]:
    """The highest scores by the names they are reported under, highest first."""
    best = np.argsort(scores)[::-1][:TOP]
    return {rules.names.get(rules.labels[i], rules.labels[i]): round(float(scores[i]), 4) for i in best}
