"""Recordings: the audio of events as FLAC files, for labels that the user asked for, and without speech."""

import io
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from listener.base.incidents import IncidentLog
from listener.errors import SinkError
from listener.messages import Event
from listener.routing.first_seen import MAX_EVENTS
from listener.routing.recorder import Excerpt, Recorder
from listener.storage.history import DAY_S, History

log = logging.getLogger(__name__)

SPEECH = 0.2  # raw scores from here on count as speech: better a recording too few than a sentence too many
AROUND_S = 3.0  # before and after a recording, where speech may begin or end
PATIENCE_S = 10.0  # after the end of an event: a source that has gone delivers nothing to wait for
POLL_S = 0.5
PRUNE_S = 600.0


class RecordingStore:
    """A folder of recordings that only their owner can read, bounded in age and size."""

    def __init__(self, path: Path, *, keep_days: float, max_mb: float, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._keep_s, self._max_bytes, self._clock = keep_days * DAY_S, max_mb * 1e6, clock

    def write(self, name: str, excerpt: Excerpt) -> None:
        """Encode and write a recording, completely or not at all. Raises OSError if the disk does not take it."""
        import soundfile  # 20 MB, needed only for recordings

        flac = io.BytesIO()
        soundfile.write(flac, excerpt.pcm, excerpt.rate, format="FLAC", subtype="PCM_16")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path / f"{name}.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(flac.getbuffer())
            part.rename(self.path / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    def clean(self) -> None:
        """Delete incomplete files that a killed process has left."""
        for part in self.path.glob("*.flac.part"):
            part.unlink(missing_ok=True)

    def surplus(self) -> list[tuple[str, str]]:
        """Return name and reason of each recording to delete: those that are too old, and the oldest if too many."""
        found = sorted((file.stat().st_mtime, file.stat().st_size, file.name) for file in self.path.glob("*.flac"))
        total, surplus = sum(size for _, size, _ in found), list[tuple[str, str]]()
        for written, size, name in found:
            too_old = written < self._clock() - self._keep_s
            if not too_old and total <= self._max_bytes:
                break
            total -= size
            surplus.append((name, "deleted: too old" if too_old else "deleted to make room"))
        return surplus

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A recording to write once the audio after it has arrived."""

    event: Event
    start_s: float
    stop_s: float
    until: float | None = None  # monotonic; set when the event has ended

    @property
    def name(self) -> str:
        event = self.event
        began = datetime.fromisoformat(event.start) if event.start else datetime.now(UTC)
        return _as_file_name(f"{began:%Y%m%dT%H%M%SZ}-{event.label}-{event.id}") + ".flac"


class EventRecorder:
    """Follows events, and writes the recording of each when it is certain that nobody speaks in or near it.

    A thread writes, because a recording is due some seconds after the last line of its event.

    Args:
        history: Where recordings are named.
        store: Where they are written.
        pre_s: How long before its event a recording begins, in seconds.
        max_s: The longest recording, in seconds.
        speech: Whether recordings with speech are kept.
        is_suppressed: Tells whether an event has been snoozed or muted since it began.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        history: History,
        store: RecordingStore,
        *,
        pre_s: float,
        max_s: float,
        speech: bool,
        is_suppressed: Callable[[Event], bool] = lambda _event: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history, self._store, self._is_suppressed, self._clock = history, store, is_suppressed, clock
        self._pre_s, self._max_s, self._speech = pre_s, max_s, speech
        self._recorders: dict[str, Recorder] = {}
        self._muted: Set[str] = frozenset()
        self._wanted: dict[str, _Wanted] = {}  # event id -> its clip
        self._done: dict[str, None] = {}  # ids of events under way whose clip has its full length, oldest first
        self._lock = threading.Lock()
        self._wake, self._closing = threading.Event(), False
        self._pruned = 0.0
        self._thread: threading.Thread | None = None
        self._incidents = IncidentLog(str(store.path), log)

    def add_recorder(self, recorder: Recorder) -> None:
        """Use this recorder for its source."""
        self._recorders[recorder.source] = recorder
        if not recorder.knows_speech and not self._speech:
            log.warning(
                "%s: no recordings are kept, because the model has no label 'speech' to protect speakers. "
                "Set clip_speech = true to keep them all the same.",
                recorder.source,
            )

    def mute(self, sources: Set[str]) -> None:
        """Note which sources are muted. Audio from that time is in no recording, not even before its event."""
        for source in self._muted - sources:
            self._recorders[source].forget()
        self._muted = sources & self._recorders.keys()

    def open(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is due. What is not may still turn out to have speech in it."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing = True
            self._wake.set()
            thread.join()

    def follow(self, event: Event) -> None:
        """Plan the recording of an event, or note its end."""
        ended = event.phase in ("end", None)
        with self._lock:
            if event.id in self._done:
                if ended:
                    del self._done[event.id]
                return
            start_s = max(0.0, event.start_s - self._pre_s)
            wanted = self._wanted.get(event.id) or _Wanted(event, start_s, start_s + self._max_s)
            if event.id not in self._wanted and event.seq and self._store.has(wanted.name):
                if not ended:  # written by the sink before a reload
                    self._note_done(event.id)
                return
            if ended and event.end_s is not None:
                stop_s = min(wanted.stop_s, event.end_s)
                wanted = replace(wanted, stop_s=stop_s, until=self._clock() + PATIENCE_S)
            self._wanted[event.id] = wanted
        self._wake.set()

    def write_due(self) -> None:
        """Write the recordings after which enough audio has arrived."""
        now = self._clock()
        with self._lock:
            due = [wanted for wanted in self._wanted.values() if self._is_due(wanted, now)]
            for wanted in due:
                del self._wanted[wanted.event.id]
                if wanted.until is None:
                    self._note_done(wanted.event.id)
        for wanted in due:
            recording, note = self._written(wanted)
            self._update_row(self._history.keep_clip, wanted.event.id, recording, note)
        if due or now - self._pruned > PRUNE_S:
            self.prune()

    def _give_up(self) -> None:
        """Note that events have no recording. After a reload the next sink may still write it."""
        for event_id in self._wanted:
            self._update_row(
                self._history.keep_clip, event_id, None, "no recording: its sink was closed before it was complete"
            )
        self._wanted.clear()

    def prune(self) -> None:
        """Delete surplus recordings. The row comes first, so that no row names a deleted file, even after a kill."""
        self._pruned = self._clock()
        try:
            for name, reason in self._store.surplus():
                self._history.forget_clip(self._as_row(name), reason)
                self._store.delete(name)
        except (OSError, SinkError) as err:
            self._incidents.report(f"old recordings cannot be deleted ({err})", "prune")

    def _note_done(self, event_id: str) -> None:
        self._done[event_id] = None
        if len(self._done) > MAX_EVENTS:  # a filter may drop the ends that would remove them
            del self._done[next(iter(self._done))]

    def _run(self) -> None:
        self._guarded(self._store.clean)
        self.prune()
        while not self._closing:
            self._wake.wait(POLL_S if self._wanted else PRUNE_S)
            self._wake.clear()
            self._guarded(self.write_due)
        self._guarded(self.write_due)
        self._guarded(self._give_up)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Log an error: it must not end the thread."""
        try:
            step()
        except Exception:
            log.exception("%s: a recording was not kept", self._store.path)

    def _is_due(self, wanted: _Wanted, now: float) -> bool:
        recorder = self._recorders.get(wanted.event.source)
        if recorder is None or (wanted.until is not None and now > wanted.until):
            return True
        return recorder.is_over or recorder.position_s >= wanted.stop_s + AROUND_S

    def _written(self, wanted: _Wanted) -> tuple[str | None, str | None]:
        """Write a recording; return its name in the row, or why there is none."""
        excerpt, refusal = self._excerpt(wanted)
        if excerpt is None:
            return None, f"no recording: {refusal}"
        name = wanted.name  # computed once: it may contain the current time
        try:
            self._store.write(name, excerpt)
        except (OSError, RuntimeError) as err:  # of soundfile
            problem = getattr(err, "strerror", None) or err
            self._incidents.report(f"no recording ({problem})", "unwritable")
            return None, f"no recording: it cannot be written ({problem})"
        self._incidents.resolve("recordings can be written again")
        return self._as_row(name), None

    def _excerpt(self, wanted: _Wanted) -> tuple[Excerpt | None, str]:
        recorder = self._recorders.get(wanted.event.source)
        if self._is_suppressed(wanted.event):
            return None, "snoozed before it was complete"
        if recorder is None:
            return None, "the source is not recorded"
        if not recorder.knows_speech and not self._speech:
            return None, "the model cannot tell whether someone speaks"
        excerpt = recorder.excerpt(wanted.start_s, wanted.stop_s, AROUND_S)
        if excerpt is not None and excerpt.speech >= SPEECH and not self._speech:
            return None, "someone spoke"
        return excerpt, "its audio is no longer in memory"

    def _as_row(self, name: str) -> str:
        return f"{self._store.path.name}/{name}"

    def _update_row(self, update: Callable[..., None], *values: str | None) -> None:
        """Update a row. If that fails, the recording and the thread go on."""
        try:
            update(*values)
        except SinkError as err:
            log.warning("%s", err)


def _as_file_name(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text, flags=re.ASCII).lstrip(".")[:200]
