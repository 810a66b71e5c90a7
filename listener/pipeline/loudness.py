"""Loud sounds, whatever they are: events on the level alone, beside those of the model."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from math import log10
from typing import Annotated

from listener.base.schema import Meta, Section
from listener.messages import Event, Phase
from listener.pipeline.gates import FLOOR_FALL, FLOOR_RISE_DB
from listener.pipeline.tracker import REMINDER_S
from listener.pipeline.values import SILENT_DBFS, Frames, Span

LOUD = "loud"  # what an event of [loud] is called, whatever it sounds like
LEARN_FRAMES = 50  # the first second of a stretch says how loud the room is, and nothing in it is an event
QUIETEST_DBFS = -70.0  # no room is taken to be quieter: a muted microphone that is opened is no bang
LIVES_AT = 0.7  # of over_db: what is loud stays so down to there, so that one sound is one event
LOUDEST_FRAMES = 5  # 100 ms, as in the events of the model


class LoudConfig(Section, frozen=True):
    """Loud sounds: an event called `loud` on the level alone, whatever the model makes of it."""

    enabled: Annotated[bool, Meta(description="true: loud sounds are events too")] = False
    over_db: Annotated[float, Meta(ge=3, le=80, description="loud is so far over the room's own level")] = 20.0
    min_dbfs: Annotated[float, Meta(ge=-100, le=0, description="and nothing quieter than this is loud")] = -45.0
    min_s: Annotated[float, Meta(ge=0, le=60, description="reported when it has been loud for so long in all")] = 0.1
    hold_s: Annotated[float, Meta(ge=0.02, le=60, description="it ends after so long that was not loud")] = 1.0
    cooldown_s: Annotated[float, Meta(ge=0, le=3600, description="after an end, no new one for so long")] = 0.0


@dataclass(frozen=True, slots=True)
class _Frame:
    span: Span
    level_dbfs: float


@dataclass(slots=True)
class _Sound:
    """A loud sound under way. Samples."""

    id: str
    start: int
    stop: int  # of the last loud frame
    loud: int = 0  # in all, pauses left out
    seq: int = 0
    score: float = 0.0  # of the last frame that was loud
    peak: float = 0.0
    peak_reported: float = 0.0
    last_report: int = 0
    detected: int | None = None  # None until it is reported
    level_dbfs: float = SILENT_DBFS
    powers: list[float] = field(default_factory=lambda: [0.0] * LOUDEST_FRAMES)


class Loud:
    """Frames in, lines of `loud` events out; it holds back and changes no other event.

    A sound is loud when a frame stands `over_db` over the room's own level, and it ends `hold_s` after its last
    loud frame; a gap counts as quiet. The floor comes up by 1 dB a second, so that whatever stays becomes the
    room; a hammer that pauses for less than `hold_s` is one event for as long as it does. Its score is how far
    over the floor it is, as a share of twice `over_db`: 0.5 is just loud enough.
    """

    def __init__(
        self, config: LoudConfig, *, update_s: float, sample_rate: int, source: str, model: str, prefix: str
    ) -> None:
        self._over_db, self._min_dbfs = config.over_db, config.min_dbfs
        self._least, self._hold, self._cooldown, self._update = (
            round(seconds * sample_rate) for seconds in (config.min_s, config.hold_s, config.cooldown_s, update_s)
        )
        self._reminder = round(REMINDER_S * sample_rate)
        self._update = min(self._update, self._reminder)
        self._rate = sample_rate
        self._source, self._model, self._prefix = source, model, prefix
        self._numbers = count(1)
        self._floor = _Floor()
        self._sound: _Sound | None = None
        self._ready = 0  # no new event before this: cool-down

    def __call__(self, frames: Frames) -> Iterator[Event]:
        """Yield the events that begin, change or end with these frames."""
        for number, level_dbfs in enumerate(frames.levels_dbfs.tolist()):
            over_db = self._floor.over_db(level_dbfs)
            if self._sound or over_db >= self._over_db:
                start = frames.start + number * frames.frame_samples
                yield from self._lines(_Frame(Span(start, start + frames.frame_samples), level_dbfs), over_db)

    def finish(self) -> Iterator[Event]:
        """The end of the event under way, if any: the stretch is over, and the next may be of another room."""
        yield from self._end(self._sound.stop if self._sound else 0)
        self._floor = _Floor()

    def _lines(self, frame: _Frame, over_db: float) -> Iterator[Event]:
        if self._sound and frame.span.start - self._sound.stop >= self._hold:
            yield from self._end(frame.span.start)
        if self._is_loud(frame, over_db):
            sound = self._sound = self._sound or self._begun(frame)
            self._extend(sound, frame, over_db)
            yield from self._report(sound)

    def _is_loud(self, frame: _Frame, over_db: float) -> bool:
        if self._sound is None and frame.span.start < self._ready:
            return False
        less_db = 0.0 if self._sound is None else (1 - LIVES_AT) * self._over_db
        return over_db >= self._over_db - less_db and frame.level_dbfs >= self._min_dbfs - less_db

    def _begun(self, frame: _Frame) -> _Sound:
        return _Sound(f"{self._prefix}-{LOUD}-{next(self._numbers)}", frame.span.start, frame.span.stop)

    def _extend(self, sound: _Sound, frame: _Frame, over_db: float) -> None:
        sound.stop = frame.span.stop
        sound.loud += len(frame.span)
        sound.score = min(1.0, over_db / (2 * self._over_db))
        sound.peak = max(sound.peak, sound.score)
        sound.powers = [*sound.powers[1:], 10 ** (frame.level_dbfs / 10)]
        sound.level_dbfs = max(sound.level_dbfs, _dbfs(sum(sound.powers) / LOUDEST_FRAMES))

    def _report(self, sound: _Sound) -> Iterator[Event]:
        if sound.detected is None:
            if sound.loud >= self._least:
                sound.detected = sound.stop
                yield self._event(sound, "start")
        elif sound.stop - sound.last_report >= (self._update if sound.peak > sound.peak_reported else self._reminder):
            yield self._event(sound, "update")

    def _end(self, now: int) -> Iterator[Event]:
        sound, self._sound = self._sound, None
        if sound and sound.detected is not None:
            self._ready = now + self._cooldown
            yield self._event(sound, "end")

    def _event(self, sound: _Sound, phase: Phase) -> Event:
        sound.peak_reported, sound.last_report = sound.peak, sound.stop
        sound.seq += 1
        return Event(
            id=sound.id,
            seq=sound.seq - 1,
            phase=phase,
            label=LOUD,
            score=round(sound.score, 4),
            peak=round(sound.peak, 4),
            start=None,
            end=None,
            start_s=self._seconds(sound.start),
            end_s=self._seconds(sound.stop) if phase == "end" else None,
            detected_s=self._seconds(sound.detected or sound.stop),
            source=self._source,
            level_dbfs=round(sound.level_dbfs, 1),
            model=self._model,
            top={},
        )

    def _seconds(self, samples: int) -> float:
        return round(samples / self._rate, 3)


class _Floor:
    """The room's own level: down at once, up slowly, as the gate's.

    The gate's begins low, so that a stream that opens in the middle of a sound is heard, and for its first half
    minute any room stands far over it. This one begins with what the first second says.
    """

    def __init__(self) -> None:
        self._first: list[float] = []
        self._dbfs = 0.0

    def over_db(self, level_dbfs: float) -> float:
        """How far a frame stands over the floor; nothing while the floor is not known."""
        level_dbfs = max(level_dbfs, QUIETEST_DBFS)
        if len(self._first) < LEARN_FRAMES:
            self._first.append(level_dbfs)
            self._dbfs = sorted(self._first)[len(self._first) // 4]  # so that a bang in that second is no room
            return 0.0
        over_db = level_dbfs - self._dbfs
        self._dbfs += FLOOR_RISE_DB if over_db > 0 else over_db * FLOOR_FALL
        return over_db


def _dbfs(power: float) -> float:
    return SILENT_DBFS if power <= 0 else max(SILENT_DBFS, 10 * log10(power))
