"""Turns the predictions of a stream into events."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np

from listener.base.schema import Meta, Section
from listener.messages import Event
from listener.pipeline.bundle import LabelRule, Sensitivity
from listener.pipeline.event_machine import EventMachine, EventMaker, EventState, Evidence, Timing
from listener.pipeline.frame_grid import BRIDGE_S, FrameGrid
from listener.pipeline.values import Floats, Prediction, Span

TOP = 5
Score = Annotated[float, Meta(gt=0, lt=1)]
Seconds = Annotated[float, Meta(ge=0.0, le=3600.0)]
Similarity = Annotated[float, Meta(ge=-1, le=1)]


class EventConfig(Section, frozen=True):
    """How scores become events, for all labels. [labels.NAME] changes settings of one label."""

    sensitivity: Annotated[
        Sensitivity,
        Meta(description="low: fewest false alarms; high: fewest misses; the model's card has the figures"),
    ] = "medium"
    smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="weight of the past in a label's score; 0 reacts fastest, 0.9 slowest")
    ] = 0.3
    update_s: Annotated[float, Meta(ge=0.1, le=60, description="shortest interval of updates about a new peak")] = 1.0
    familiar: Annotated[
        Similarity | None,
        Meta(description="similarity to the training sounds that begins an event; -1: any; not set: the model's"),
    ] = None


class LabelConfig(Section, frozen=True):
    """Settings of one label. What is not set comes from the model's bundle."""

    enabled: Annotated[
        bool | None, Meta(description="whether the label is reported; not set: as the model's bundle says")
    ] = None
    name: Annotated[str | None, Meta(description="report it under this name")] = None
    sensitivity: Annotated[
        Sensitivity | None, Meta(description="low, medium or high; not set: that of all labels, in [events]")
    ] = None
    on: Annotated[Score | None, Meta(description="an event begins above this score; takes precedence")] = None
    off: Annotated[Score | None, Meta(description="an event goes on while the score is above this")] = None
    hold_s: Annotated[Seconds | None, Meta(description="it ends after this time below `off`")] = None
    min_s: Annotated[Seconds | None, Meta(description="it is reported only if it lasts this long")] = None
    cooldown_s: Annotated[Seconds | None, Meta(description="no new event for this time after an end")] = None
    frame: Annotated[Score | None, Meta(description="start and end are where the frame scores are above this")] = None
    familiar: Annotated[
        Similarity | None, Meta(description="similarity to the training sounds that begins an event; -1: any")
    ] = None
    repeat_s: Annotated[
        Seconds | None,
        Meta(description="reported only if it sounds again after this time; hold_s must bridge the pause"),
    ] = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a tracker. A label without a rule is never reported."""

    labels: tuple[str, ...]  # in the model's order
    rules: dict[str, LabelRule]
    names: dict[str, str]  # label -> the name it is reported under, where that differs
    smoothing: float
    update_s: float
    sample_rate: int
    hop_s: float
    grid: FrameGrid | None = None  # None if the model has no frame scores
    min_similarity: float = 0.0  # an event begins only with a clip of this similarity, unless its rule differs

    def called(self, label: str) -> str:
        """Return the name under which a label is reported."""
        return self.names.get(label, label)


@dataclass(slots=True)
class _Track:
    index: int  # in the model's order
    machine: EventMachine
    smoothed: float = 0.0


class Tracker:
    """Smooths the scores of each label and feeds its state machine.

    Events carry no wall-clock times; the daemon adds them.

    Args:
        rules: The labels to report and their thresholds.
        source: Name of the source, for events.
        model: Name of the model, for events.
        prefix: Makes event ids unique over sources and restarts.
    """

    def __init__(self, rules: Rules, *, source: str, model: str, prefix: str) -> None:
        self._rules = rules
        self._maker = EventMaker(source, model, prefix)
        self._tuned: dict[str, float] = {}  # reported name -> `on`, where a user has changed it
        self._tracks: list[_Track] = []
        self._last: Prediction | None = None
        self._levels: deque[tuple[int, float]] = deque()  # end and dBFS of the clips that overlap the latest
        self._under_way = False
        list(self.reconfigure(rules))

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._rules

    @property
    def active(self) -> bool:
        """Whether a sound is under way, so that clips must keep coming until it ends."""
        return self._under_way

    def update(self, prediction: Prediction) -> Iterator[Event]:
        """Yield the events that begin, change or end with a prediction."""
        if self._last and prediction.span.start > self._last.span.stop:
            for track in self._tracks:
                yield from track.machine.split_at_gap(prediction.span.start)
        self._levels.append((prediction.span.stop, prediction.context.level_dbfs))
        while self._levels[0][0] <= prediction.span.start:
            self._levels.popleft()
        self._maker.top = partial(top_labels, self._rules, prediction.scores)
        keep, scores = self._weight_of_the_past(prediction.span), prediction.scores.tolist()
        for track in self._tracks:
            track.smoothed = keep * track.smoothed + (1 - keep) * scores[track.index]
            yield from track.machine.process(self._evidence(track, prediction))
        self._last = prediction
        self._note_state()

    def retune(self, name: str, on: float | None) -> None:
        """Change the on-threshold of a label by its reported name. None restores that of its rule."""
        if on is None:
            self._tuned.pop(name, None)
        else:
            self._tuned[name] = on
        self._apply_rules()

    def reconfigure(self, rules: Rules) -> Iterator[Event]:
        """Use other rules from the next prediction on. Yields the ends of events that they do not cover.

        An event under way goes on unless its label is no longer reported, or is reported under another name.
        """
        known = {}
        for track in self._tracks:
            label = track.machine.label
            if label in rules.rules:
                known[label] = track
            if label not in rules.rules or rules.called(label) != track.machine.name:
                yield from track.machine.end()
        self._rules = rules
        self._tuned = {name: on for name, on in self._tuned.items() if name in map(rules.called, rules.rules)}
        self._tracks = [
            known.get(label) or self._new_track(index, label)
            for index, label in enumerate(rules.labels)
            if label in rules.rules
        ]
        self._apply_rules()
        self._note_state()

    def finish(self) -> Iterator[Event]:
        """End all events under way: the stream is over."""
        for track in self._tracks:
            yield from track.machine.end()
            track.smoothed = 0.0
        self._note_state()

    def _new_track(self, index: int, label: str) -> _Track:
        since = self._last.span.stop if self._last else 0  # a new label ignores what came before
        return _Track(index, EventMachine(label, self._rules.rules[label], self._timing(), self._maker, since))

    def _timing(self) -> Timing:
        rules = self._rules
        return Timing(rules.sample_rate, rules.update_s, rules.hop_s, BRIDGE_S)

    def _apply_rules(self) -> None:
        for machine in (track.machine for track in self._tracks):
            machine.name, machine.timing = self._rules.called(machine.label), self._timing()
            rule, on = self._rules.rules[machine.label], self._tuned.get(machine.name)
            machine.rule = rule if on is None else rule.retuned(on)

    def _note_state(self) -> None:
        self._under_way = any(track.machine.state is not EventState.IDLE for track in self._tracks)

    def _weight_of_the_past(self, span: Span) -> float:
        """Smoothing is for clips one hop apart: a pause forgets more, the extra clip when the gate closes less."""
        if self._last is None:
            return 0.0
        hops = (span.stop - self._last.span.stop) / (self._rules.hop_s * self._rules.sample_rate)
        return float(self._rules.smoothing ** max(hops, 0.0))

    def _evidence(self, track: _Track, prediction: Prediction) -> Evidence:
        rule = track.machine.rule
        required = self._rules.min_similarity if rule.familiar is None else rule.familiar
        return Evidence(
            span=prediction.span,
            score=track.smoothed,
            sounds=self._sounds(track, prediction),
            has_frames=prediction.frame_scores is not None,
            activity=prediction.context.activity,
            levels=self._levels,
            similar=prediction.similarity is None or prediction.similarity >= required,
        )

    def _sounds(self, track: _Track, prediction: Prediction) -> Sequence[Span]:
        """Where the frame scores of a clip show the label's sound, if that matters now."""
        machine, grid = track.machine, self._rules.grid
        matters = machine.state is not EventState.IDLE or track.smoothed > machine.rule.on
        if not matters or grid is None or prediction.frame_scores is None:
            return ()
        return grid.sounds(prediction.frame_scores[track.index], machine.rule.frame, prediction.span, machine.fresh)


def top_labels(rules: Rules, scores: Floats) -> dict[str, float]:
    """Return the highest scores by reported name, highest first."""
    best = np.argsort(scores)[::-1][:TOP]
    return {rules.called(rules.labels[i]): round(float(scores[i]), 4) for i in best}
