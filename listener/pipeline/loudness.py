"""Loud sounds: events on the level alone, beside those of the model."""

from collections import deque
from collections.abc import Iterator
from math import log10
from typing import Annotated

from listener.base.schema import Meta, Section
from listener.messages import Event
from listener.pipeline.bundle import LabelRule
from listener.pipeline.event_machine import EventMachine, EventMaker, EventState, Evidence, Timing
from listener.pipeline.gates import FLOOR_FALL, FLOOR_RISE_DB
from listener.pipeline.values import SILENT_DBFS, Frames, Span

LOUD = "loud"  # the label of these events
LEARN_FRAMES = 50  # the first second of a stream sets the floor, and nothing in it is an event
QUIETEST_DBFS = -70.0  # the floor is never lower: unmuting a microphone is no bang
STAYS_LOUD = 0.7  # share of over_db down to which a loud sound goes on, so that one sound is one event
LOUDEST_FRAMES = 5  # window of an event's level, 100 ms
JUST_LOUD = 0.5  # the score of a sound `over_db` above the floor


class LoudConfig(Section, frozen=True):
    """Loud sounds: an event named `loud` on the level alone, independent of the model."""

    enabled: Annotated[bool, Meta(description="true: report loud sounds as events")] = False
    over_db: Annotated[float, Meta(ge=3, le=80, description="how far a loud sound is above the room's level")] = 20.0
    min_dbfs: Annotated[float, Meta(ge=-100, le=0, description="nothing below this level is loud")] = -45.0
    min_s: Annotated[float, Meta(ge=0, le=60, description="reported once it was loud for this long in all")] = 0.1
    hold_s: Annotated[float, Meta(ge=0.02, le=60, description="it ends after this time that was not loud")] = 1.0
    cooldown_s: Annotated[float, Meta(ge=0, le=3600, description="no new event for this time after an end")] = 0.0


class Loudness:
    """Scores the level of each frame against the room's and feeds the score to a state machine like a label's.

    The score is the level above the floor as a share of twice `over_db`: 0.5 is just loud enough. The floor rises by
    1 dB a second, so that a noise that stays becomes part of the room.

    Args:
        config: What counts as loud.
        maker: Source of ids and common fields. It must not be shared with a tracker.
        update_s: Shortest interval of updates.
        sample_rate: Of the frames, in Hz.
    """

    def __init__(self, config: LoudConfig, maker: EventMaker, *, update_s: float, sample_rate: int) -> None:
        self._over_db, self._min_dbfs = config.over_db, config.min_dbfs
        rule = LabelRule(
            on=JUST_LOUD,
            off=STAYS_LOUD * JUST_LOUD,
            hold_s=config.hold_s,
            min_s=config.min_s,
            cooldown_s=config.cooldown_s,
        )
        self._machine = _LevelMachine(LOUD, rule, Timing(sample_rate, update_s, hop_s=0.0, bridge_s=0.0), maker)
        self._floor = _Floor()
        self._powers: deque[float] = deque([0.0] * LOUDEST_FRAMES, LOUDEST_FRAMES)
        self._stop = 0

    def __call__(self, frames: Frames) -> Iterator[Event]:
        """Yield the events that begin, change or end with these frames."""
        if frames.start > self._stop:
            yield from self._machine.split_at_gap(frames.start)
        self._stop, size = frames.stop, frames.frame_samples
        for number, level_dbfs in enumerate(frames.levels_dbfs.tolist()):
            self._powers.append(10 ** (level_dbfs / 10))
            score = self._score(level_dbfs)
            if score > JUST_LOUD or self._machine.state is not EventState.IDLE:
                start = frames.start + number * size
                yield from self._machine.process(self._evidence(Span(start, start + size), score))

    def finish(self) -> Iterator[Event]:
        """End the event under way: the stream is over, and the next may be from another room."""
        yield from self._machine.end()
        self._floor = _Floor()

    def _score(self, level_dbfs: float) -> float:
        over_db = self._floor.over_db(level_dbfs)
        allowance_db = 0.0 if self._machine.state is EventState.IDLE else (1 - STAYS_LOUD) * self._over_db
        if level_dbfs < self._min_dbfs - allowance_db:
            return 0.0
        return min(1.0, max(0.0, JUST_LOUD * over_db / self._over_db))

    def _evidence(self, span: Span, score: float) -> Evidence:
        power = sum(self._powers) / LOUDEST_FRAMES
        level_dbfs = max(SILENT_DBFS, 10 * log10(power)) if power > 0 else SILENT_DBFS
        return Evidence(span, score, sounds=(span,), has_frames=True, activity=span, levels=((span.stop, level_dbfs),))


class _LevelMachine(EventMachine):
    """Counts only loud frames for `min_s`; a pause between two of them counts for a label."""

    _loud = 0  # samples

    def _begin(self, seen: Evidence) -> None:
        super()._begin(seen)
        self._loud = 0

    def _keep_alive(self, seen: Evidence) -> None:
        super()._keep_alive(seen)
        self._loud += len(seen.span)

    def _lasted(self) -> int:
        return self._loud


class _Floor:
    """The level of the room. It falls at once and rises slowly, like the gate's, but starts at the first second's."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._dbfs = 0.0

    def over_db(self, level_dbfs: float) -> float:
        """Return how far a frame is above the floor; 0 while the floor is not known."""
        level_dbfs = max(level_dbfs, QUIETEST_DBFS)
        if len(self._first) < LEARN_FRAMES:
            self._first.append(level_dbfs)
            self._dbfs = sorted(self._first)[len(self._first) // 4]  # the lower quartile, whatever bangs in that second
            return 0.0
        over_db = level_dbfs - self._dbfs
        self._dbfs += FLOOR_RISE_DB if over_db > 0 else over_db * FLOOR_FALL
        return over_db
