"""One source: a capture thread that reads it, and a listen thread that runs the pipeline over it."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from listener.daemon.health import DropoutMeter, SourceHealth
from listener.daemon.meter import Meter
from listener.errors import ListenerError
from listener.messages import Event, Level, SourceState, SourceStatus, at_wall_clock
from listener.pipeline.framer import Framer
from listener.pipeline.loop import Change, Pipeline
from listener.pipeline.values import Block, Frames
from listener.routing.channel import Channel
from listener.routing.recorder import Recorder
from listener.sources.base import BaseSource

log = logging.getLogger(__name__)

CHANNEL_S = 10.0  # of audio between the two threads
# Dropped at once when it is full. Dropping a block for each new one would put a gap before every block, and no clip
# would be whole while the machine is too slow, or for some time after.
SPARE_S = 5.0
STARVED_S = 3.0  # without audio for this long, events under way end
CLOCK_SET_S, DRIFT = 1.0, 1e-3  # sample clocks drift by less; a wall clock that moved by more was set
DEAF_S = 10.0  # a source that reports LISTENING and delivers nothing for this long is unhealthy


class Stream:
    """A source, its pipeline, and the two threads between them.

    Args:
        source: Where the audio comes from.
        pipeline: The stages. An observer for level and cost is added to them.
        publish: Receives each event as soon as it is known.
        ended: Receives the name of the source when it has ended, and the error that ended it, if any.
    """

    def __init__(
        self,
        source: BaseSource,
        pipeline: Pipeline,
        publish: Callable[[Event], None],
        ended: Callable[[str, ListenerError | None], None],
    ) -> None:
        self.name = source.name
        self._source = source
        self._pipeline, self.meter = pipeline, Meter(source.name, pipeline)
        pipeline.observers = (*pipeline.observers, self.meter)
        self._framer = Framer(pipeline.tracker.rules.sample_rate)
        self._blocks: Channel[Block] = Channel(
            CHANNEL_S, "drop_oldest" if source.live else "block", _seconds, spare=SPARE_S
        )
        self._publish, self._ended = publish, ended
        self._threads = [
            threading.Thread(
                target=self._guard, args=(stage,), name=f"{stage.__name__.strip('_')} {self.name}", daemon=True
            )
            for stage in (self._capture, self._listen)
        ]
        self._delivered = False
        self._error: ListenerError | None = None  # what ended the source after it had delivered audio
        self._recorder: Recorder | None = None
        self._changes: deque[Callable[[], Iterable[Event]]] = deque()  # for the loop to take between two blocks
        self._health = SourceHealth(source.name)
        self._began: dict[str, float] = {}  # event id -> Unix time of stream second 0 when it began
        self._closing = False
        self._losses = DropoutMeter()
        self._cost_before = (0, 0.0)

    def open(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and drop the audio that waits. Returns at once; `threads` then end by themselves."""
        self._closing = True
        self._source.close()
        self._blocks.close(discard=True)

    @property
    def substitute_name(self) -> str:
        """The name that events carry instead of the source's while a substitute is read; else empty."""
        return self._source.substitute_name if self._source.is_substituted else ""

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that were started."""
        return [thread for thread in self._threads if thread.ident]

    def retune(self, label: str, on: float | None) -> None:
        """Change the on-threshold of a label from the next block on. None restores the configured one."""

        def retuned() -> Iterable[Event]:
            self._pipeline.tracker.retune(label, on)
            return ()

        self._changes.append(retuned)

    def reconfigure(self, change: Change) -> None:
        """Use other settings from the next block on. No audio is lost."""
        self._changes.append(lambda: self._pipeline.reconfigure(change))

    def record(self) -> Recorder:
        """Keep the latest audio from now on, for sinks that record events."""
        if self._recorder is None:
            rules = self._pipeline.tracker.rules
            self._recorder = Recorder(self.name, rules.labels, rules.sample_rate)
            self._pipeline.observers = (*self._pipeline.observers, self._recorder)
        return self._recorder

    def forget(self) -> None:
        """Stop keeping audio."""
        self._pipeline.observers = tuple(each for each in self._pipeline.observers if each is not self._recorder)
        self._recorder = None

    def level(self) -> Level:
        """Return the meter's readings, for displays."""
        return self.meter.level()

    def status(self) -> SourceStatus:
        """Return its state. The inference time is the mean since the last call."""
        clips, busy_s = self.meter.clips, self.meter.busy_s
        before_clips, before_busy_s = self._cost_before
        self._cost_before = (clips, busy_s)
        level = self.meter.level()
        return SourceStatus(
            state=self._health.state,
            detail=self._health.detail,
            trouble=self._health.trouble or self._losses.trouble,
            heard_s=self.meter.heard_s,
            lost_s=round(self._framer.lost_s, 2),
            gate_duty=round(self.meter.gate_duty, 4),
            clips=clips,
            inference_ms=round(1000 * (busy_s - before_busy_s) / max(clips - before_clips, 1), 2),
            inference_s=round(busy_s, 4),
            inference_le_ms=self.meter.took_at_most(),
            waiting_s=round(self._blocks.waiting, 2),
            level_dbfs=level.level_dbfs,
            peak_dbfs=round(self.meter.take_peak(), 1),
            floor_dbfs=level.floor_dbfs,
        )

    def healthy(self, now: float) -> bool:
        """Return whether audio flows, or the source is recovering from its absence. `now` is monotonic time."""
        unheard_s = now - self.meter.updated_at
        if self._blocks.waiting:
            return unheard_s < DEAF_S
        timeout_s = DEAF_S + self._source.silence_timeout_s
        return self._health.state is not SourceState.LISTENING or unheard_s < timeout_s

    def report_losses(self, now: float) -> None:
        """Log lost audio, at most a line a minute. Called about once a second; `now` is monotonic time."""
        is_known = self._health.interrupted  # it logs how long the interruption was
        if news_s := self._losses.news(self._framer.lost_s, now, known=is_known):
            log.warning("%s: lost %.1f s of audio", self.name, news_s)
        self._health.tick()

    def _capture(self) -> None:
        try:
            for block in self._source.blocks(self._health.report):
                self._blocks.put(block, wait=self._source.can_wait)
                self._delivered = True
                is_now = self._source.live or block.captured_at is not None  # a pipe from a microphone is not live
                if is_now and not self._health.check(block, live=self._source.live):
                    self._source.on_signal_fault()
            if not self._closing:
                self._health.report(SourceState.ENDED, "no more audio")
        except ListenerError as err:
            if not self._delivered:
                raise
            self._error = err  # once everything before it has been heard
            self._health.report(SourceState.ENDED, err.message)
        finally:
            self._blocks.close()

    def _listen(self) -> None:
        while not self._blocks.finished:
            for event in self._pipeline.events(self._stretch()):
                self._publish(self._stamped(event))
            self._take_changes()
        if self._recorder:
            self._recorder.is_over = True
        self._ended(self.name, self._error)

    def _stretch(self) -> Iterable[Frames]:
        """Frames until the source ends, or delivers nothing for so long that events must end."""
        yield from self._framer.frames(self._audio())
        if self._blocks.finished:
            yield from self._framer.flush()

    def _audio(self) -> Iterator[Block]:
        """Blocks until no more come. Between two of them the pipeline may be changed."""
        for block in self._blocks.until_starved(STARVED_S):
            self._take_changes()
            yield block

    def _take_changes(self) -> None:
        while self._changes:
            for event in self._changes.popleft()():
                self._publish(self._stamped(event))

    def _stamped(self, event: Event) -> Event:
        """Add wall-clock times to an event, anchored at the latest block because sample clocks drift.

        All lines of an event have the same start, so the anchor of its start is kept until the end. If the wall clock
        was set in between, the end uses it, too: no event may end before it starts.
        """
        now_at = self._framer.clock_offset_s
        if now_at is None:
            return event
        began_at = self._began.setdefault(event.id, now_at)
        if event.phase == "end":
            del self._began[event.id]
            lasted_s = (event.end_s or event.start_s) - event.start_s
            if abs(now_at - began_at) > CLOCK_SET_S + DRIFT * lasted_s:
                now_at = began_at
        return at_wall_clock(event, began_at, now_at)

    def _guard(self, stage: Callable[[], None]) -> None:
        """Run a thread's work and report the error that ends it."""
        try:
            stage()
        except ListenerError as err:
            self._ended(self.name, err)
        except Exception as err:
            log.exception("%s: %s failed", self.name, stage.__name__.strip("_"))
            self._ended(
                self.name,
                ListenerError(
                    f"{self.name}: {err!r}", code="internal", remedy="This is a fault in listener. Please report it."
                ),
            )


def _seconds(block: Block) -> float:
    return len(block.pcm) / block.rate
