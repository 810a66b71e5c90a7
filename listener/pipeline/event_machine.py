"""One label of one stream: a state machine from scores to events with a start, a peak and an end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from listener.messages import Event, Phase
from listener.pipeline.bundle import LabelRule
from listener.pipeline.frame_grid import SETTLED_S
from listener.pipeline.values import SILENT_DBFS, Span

ONSET_BACK_S = 1.0  # a sound begins at most this long before the last clip whose score was still low
LATEST_S = 1.25  # an event may begin this long after its sound has ended
REMINDER_S = 30.0  # interval of updates without a new peak, for clients that missed the start of an event
TAIL_S = 1.5  # a window's score stays high this long after a sound: used if the gate shows no end


class EventState(Enum):
    """Where a machine stands."""

    IDLE = auto()  # no sound
    PENDING = auto()  # a sound has begun, and has not yet lasted or repeated long enough to be reported
    ACTIVE = auto()  # its event was reported


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the latest clip, or level frame, says about one label."""

    span: Span
    score: float  # smoothed
    sounds: Sequence[Span]  # where frame scores show the sound, in order; empty if they do not
    has_frames: bool  # whether there are frame scores
    activity: Span  # the gate's latest run of active frames
    levels: Sequence[tuple[int, float]]  # (end, dBFS) of the recent clips, this one last
    similar: bool = True  # whether the sound is similar enough to the training sounds to begin an event


@dataclass(frozen=True, slots=True)
class Timing:
    """Times that all labels of a stream share."""

    sample_rate: int  # Hz
    update_s: float  # shortest interval of updates
    hop_s: float  # from one clip to the next
    bridge_s: float  # shorter pauses between sounds in the frame scores are bridged

    def samples(self, seconds: float) -> int:
        """Convert seconds to samples."""
        return round(seconds * self.sample_rate)

    def seconds(self, samples: int) -> float:
        """Convert samples to seconds, to a millisecond."""
        return round(samples / self.sample_rate, 3)


@dataclass(slots=True)
class EventMaker:
    """What all events of a stream share, and the numbers in their ids."""

    source: str
    model: str
    prefix: str  # makes ids unique over sources and restarts
    top: Callable[[], dict[str, float]] = dict  # returns the highest scores of the latest clip
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def next_id(self) -> str:
        """Return the id of a new event."""
        return f"{self.prefix}-{next(self._numbers)}"


class EventMachine:
    """Turns the evidence about one label into events.

    An event begins when the score exceeds `on`, is kept alive while it exceeds `off`, and ends after `hold_s` without.
    It is reported once it has lasted `min_s` and, if the rule has `repeat_s`, the sound came again that long after it
    first did. Scores say what a sound is; frame scores, where there are any, say when: a window's score stays high
    long after a sound, so an event also ends `hold_s` after its last frame, and only a later frame begins the next.

    Args:
        label: The model's label.
        rule: Its thresholds and times.
        timing: Times that all labels share.
        maker: Source of ids and common fields.
        since: Sounds before this position, in samples, are ignored.
    """

    def __init__(self, label: str, rule: LabelRule, timing: Timing, maker: EventMaker, since: int = 0) -> None:
        self.label = self.name = label
        self.rule, self.timing = rule, timing
        self.state = EventState.IDLE
        self._maker = maker
        self._seen: Evidence | None = None  # the latest
        self._last_quiet = since  # end of the last clip with a score below `off`
        self._fresh = since  # earlier frames belong to the event before
        self._ready = 0  # end of the cool-down
        self._id, self._seq = "", 0
        self._start = self._stop = self._detected = 0
        self._first = 0  # the sound was first present no later than this
        self._alive = 0  # end of the last frame, or else clip, that kept the event alive
        self._sound_stop: int | None = None  # end of the last frame with the sound; None if no frame had it
        self._activity = Span(0, 0)  # the gate's activity when the event was last kept alive
        self._peak = self._reported_peak = 0.0
        self._last_report = 0
        self._level_dbfs = SILENT_DBFS

    @property
    def fresh(self) -> int:
        """Where the frames begin that may show a new sound."""
        return self._fresh

    def process(self, seen: Evidence) -> Iterator[Event]:
        """Yield the events that begin, change or end with the latest evidence."""
        self._seen = seen
        if self.state is EventState.IDLE:
            self._process_idle(seen)
        if self.state is EventState.PENDING:
            yield from self._process_pending(seen)
        elif self.state is EventState.ACTIVE:
            yield from self._process_active(seen)

    def split_at_gap(self, now: int) -> Iterator[Event]:
        """Yield the end of the event under way if a gap in the stream, which ends at `now`, outlasts its hold."""
        if self._is_over(now):
            yield from self.end()

    def end(self) -> Iterator[Event]:
        """End the sound under way, if any. Yields the end of its event if that was reported."""
        if self.state is EventState.IDLE or self._seen is None:
            return
        now = self._seen.span.stop
        self._stop = self._offset(self._seen)
        if self.state is EventState.ACTIVE:
            yield self._event("end", self._seen)
            self._ready = now + self.timing.samples(self.rule.cooldown_s)
        self.state = EventState.IDLE
        self._last_quiet = now
        # Frames between its end and now did not have the sound. Later clips may waver about them: they are not asked.
        settled = now - self.timing.samples(SETTLED_S)
        self._fresh = max(self._stop + self.timing.samples(self.timing.bridge_s), settled)

    def _process_idle(self, seen: Evidence) -> None:
        if self._begins(seen):
            self._begin(seen)
        elif seen.score < self.rule.off:
            self._last_quiet = seen.span.stop

    def _process_pending(self, seen: Evidence) -> Iterator[Event]:
        if seen.score > self.rule.off:
            self._keep_alive(seen)
            if self._lasted() >= self.timing.samples(self.rule.min_s) and self._has_repeated(seen):
                self.state, self._detected = EventState.ACTIVE, seen.span.stop
                yield self._event("start", seen)
        if self._is_over(seen.span.stop):
            yield from self.end()

    def _process_active(self, seen: Evidence) -> Iterator[Event]:
        if seen.score > self.rule.off:
            self._keep_alive(seen)
            grew = self._peak > self._reported_peak
            interval_s = min(self.timing.update_s, REMINDER_S) if grew else REMINDER_S
            if seen.span.stop - self._last_report >= self.timing.samples(interval_s):
                yield self._event("update", seen)
        if self._is_over(seen.span.stop):
            yield from self.end()

    def _begins(self, seen: Evidence) -> bool:
        if seen.score <= self.rule.on or seen.span.stop < self._ready or not seen.similar:
            return False
        if not seen.sounds:  # the window may still contain the event before; frames, where there are any, must tell
            return not seen.has_frames or seen.span.start >= self._fresh
        # A sound that was not the label's while it lasted does not become so while it leaves the window.
        return seen.sounds[-1].stop > seen.span.stop - self.timing.samples(LATEST_S)

    def _begin(self, seen: Evidence) -> None:
        self.state = EventState.PENDING
        self._id, self._seq = self._maker.next_id(), 0
        self._peak = self._reported_peak = 0.0
        self._start = self._onset(seen)
        self._first = self._start if seen.sounds else seen.span.stop
        self._sound_stop = None
        self._level_dbfs = max(level_dbfs for stop, level_dbfs in seen.levels if stop > self._start)

    def _onset(self, seen: Evidence) -> int:
        """Where the frames show the sound; else where the gate's activity began, if that fits; else near the rise."""
        earliest = max(seen.span.start, self._last_quiet - self.timing.samples(ONSET_BACK_S))
        if seen.sounds:
            return next((sound for sound in seen.sounds if sound.stop > earliest), seen.sounds[-1]).start
        began = seen.activity.start
        return began if began >= earliest else (earliest + seen.span.stop) // 2

    def _keep_alive(self, seen: Evidence) -> None:
        if seen.sounds:
            self._sound_stop = self._latest_sound_stop(seen)
        self._alive = seen.span.stop if self._sound_stop is None else self._sound_stop
        self._peak = max(self._peak, seen.score)
        self._level_dbfs = max(self._level_dbfs, seen.levels[-1][1])
        self._activity = seen.activity

    def _latest_sound_stop(self, seen: Evidence) -> int:
        """The end of the sound so far.

        A clip may correct the end that the clip before saw at its right edge, but not one that lies near its own left
        edge and is about to leave its view.
        """
        latest, before = seen.sounds[-1].stop, self._sound_stop
        in_full_view = before is None or before - seen.span.start >= self.timing.samples(SETTLED_S)
        return latest if in_full_view else max(latest, before or 0)

    def _lasted(self) -> int:
        return self._alive - self._start

    def _has_repeated(self, seen: Evidence) -> bool:
        """Whether the sound came again `repeat_s` after it first did.

        A window's score stays high for 3 s after one train of beeps and proves no second one: the clip must show where
        the sound is. A frame does once the clip reaches a little beyond it; a single frame at the right edge is often
        wrong. Without frame scores, the whole clip must lie after that time. A sound without pauses must last as long.
        """
        if not self.rule.repeat_s:
            return True
        if seen.score <= self.rule.on:
            return False
        due = self._first + self.timing.samples(self.rule.repeat_s)
        if self._sound_stop is None:
            return seen.span.start >= due
        settled = seen.span.stop - self.timing.samples(SETTLED_S)
        return any(max(sound.start, due) < min(sound.stop, settled) for sound in seen.sounds)

    def _is_over(self, now: int) -> bool:
        hold_s = self.rule.hold_s if self._sound_stop is None else max(self.rule.hold_s, self.timing.bridge_s)
        return now > self._alive and now - self._alive >= self.timing.samples(hold_s)

    def _offset(self, seen: Evidence) -> int:
        """Where the last frame with the sound ended; else where the gate's activity ended; else an estimate."""
        if self._sound_stop is not None:
            return max(self._start, self._sound_stop)
        stopped = seen.activity.stop if seen.activity.start == self._activity.start else self._activity.stop
        if stopped <= seen.span.stop - self.timing.samples(self.timing.hop_s):
            return max(self._start, min(stopped, self._alive))
        outlasts_stream = self._alive == seen.span.stop
        return max(self._detected, self._alive - (0 if outlasts_stream else self.timing.samples(TAIL_S)))

    def _event(self, phase: Phase, seen: Evidence) -> Event:
        self._reported_peak, self._last_report = self._peak, seen.span.stop
        self._seq += 1
        return Event(
            id=self._id,
            seq=self._seq - 1,
            phase=phase,
            label=self.name,
            score=round(seen.score, 4),
            peak=round(self._peak, 4),
            start=None,
            end=None,
            start_s=self.timing.seconds(self._start),
            end_s=self.timing.seconds(self._stop) if phase == "end" else None,
            detected_s=self.timing.seconds(self._detected),
            source=self._maker.source,
            level_dbfs=round(self._level_dbfs, 1),
            model=self._maker.model,
            top=self._maker.top(),
        )
