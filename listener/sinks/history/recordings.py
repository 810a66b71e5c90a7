"""The audio of events as FLAC files, if a user has asked for it, and without anybody's speech in it."""

import io
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from listener.base.trouble import Trouble
from listener.errors import SinkError
from listener.messages import Event
from listener.routing.first_seen import MAX_EVENTS
from listener.routing.recorder import Excerpt, Recorder
from listener.storage.history import DAY_S, History

log = logging.getLogger(__name__)

SPEECH = 0.2  # a raw score over this is taken for speech: rather a clip too few than a sentence too many
AROUND_S = 3.0  # the windows beside a clip, in which a speaker may begin or end
PATIENCE_S = 10.0  # a source that has gone gives no more windows to wait for
POLL_S = 0.5
PRUNE_S = 600.0


class Folder:
    """The files: for nobody but their owner, bounded in age and size. `ageing` says when age may count."""

    def __init__(
        self,
        path: Path,
        *,
        keep_days: float,
        max_mb: float,
        ageing: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path, self._ageing = path, ageing
        self._keep_s, self._max_bytes, self._clock = keep_days * DAY_S, max_mb * 1e6, clock

    def write(self, name: str, excerpt: Excerpt) -> None:
        """Encode and write; whole or not at all. OSError where the disk does not take it."""
        import soundfile  # 20 MB that nobody pays who keeps no clips

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
        """Delete what a process that was killed has left half written."""
        for part in self.path.glob("*.flac.part"):
            part.unlink(missing_ok=True)

    def prune(self) -> Iterator[tuple[str, str]]:
        """Delete what is too old, and the oldest while all is too much; each one's name, and why."""
        found = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self.path.glob("*.flac"))
        total = sum(size for _, size, _ in found)
        for written, size, file in found:
            too_old = written < self._clock() - self._keep_s and self._ageing()
            if not too_old and total <= self._max_bytes:
                return
            file.unlink(missing_ok=True)
            total -= size
            yield file.name, "deleted: too old" if too_old else "deleted to make room"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A clip that is to be written once what follows it has been heard."""

    event: Event
    start_s: float
    stop_s: float
    until: float | None = None  # monotonic: the event has ended, and nothing is waited for longer

    @property
    def name(self) -> str:
        event = self.event
        began = datetime.fromisoformat(event.start) if event.start else datetime.now(UTC)
        return _as_file_name(f"{began:%Y%m%dT%H%M%SZ}-{event.label}-{event.id}") + ".flac"


class Clips:
    """Follows events, and writes the clip of each when it is certain that nobody speaks in it or beside it.

    `held` says whether a user has asked, meanwhile, not to be told of such an event. A thread of its own writes:
    a clip is due some seconds after its event's last line, when no line may follow.
    """

    def __init__(
        self,
        history: History,
        folder: Folder,
        *,
        pre_s: float,
        most_s: float,
        speech: bool,
        held: Callable[[Event], bool] = lambda _event: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history, self._folder, self._held, self._clock = history, folder, held, clock
        self._pre_s, self._most_s, self._speech = pre_s, most_s, speech
        self._recorders: dict[str, Recorder] = {}
        self._muted: Set[str] = frozenset()
        self._wanted: dict[str, _Wanted] = {}  # event id -> its clip
        self._done: dict[str, None] = {}  # ids of events under way whose clip has its full length, oldest first
        self._lock = threading.Lock()
        self._wake, self._closing = threading.Event(), False
        self._pruned = 0.0
        self._thread: threading.Thread | None = None
        self._trouble = Trouble(str(folder.path), log)

    def add_recorder(self, recorder: Recorder) -> None:
        """Take the audio of a source from here."""
        self._recorders[recorder.source] = recorder
        if not recorder.knows_speech and not self._speech:
            log.warning(
                "%s: no clips are kept: the model has no label 'speech', so that nobody could tell whether someone "
                "speaks in them; set clip_speech = true to keep them all the same",
                recorder.source,
            )

    def mute(self, sources: Set[str]) -> None:
        """These are muted just now. What a source heard while it was, is in no clip, not even in a pre-roll."""
        for source in self._muted - sources:
            self._recorders[source].forget()
        self._muted = sources & self._recorders.keys()

    def open(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is due. Of the rest nobody knows whether someone speaks in it, as long as more is heard."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing = True
            self._wake.set()
            thread.join()

    def follow(self, event: Event) -> None:
        """Want the clip of an event, or learn where it ends."""
        ended = event.phase in ("end", None)
        with self._lock:
            if event.id in self._done:
                if ended:
                    del self._done[event.id]
                return
            start_s = max(0.0, event.start_s - self._pre_s)
            wanted = self._wanted.get(event.id) or _Wanted(event, start_s, start_s + self._most_s)
            if event.id not in self._wanted and event.seq and self._folder.has(wanted.name):
                if not ended:  # the sink before this one has written it whole
                    self._note_done(event.id)
                return
            if ended and event.end_s is not None:
                stop_s = min(wanted.stop_s, event.end_s)
                wanted = replace(wanted, stop_s=stop_s, until=self._clock() + PATIENCE_S)
            self._wanted[event.id] = wanted
        self._wake.set()

    def write_due(self) -> None:
        """Write the clips after which enough was heard."""
        now = self._clock()
        with self._lock:
            due = [wanted for wanted in self._wanted.values() if self._is_due(wanted, now)]
            for wanted in due:
                del self._wanted[wanted.event.id]
                if wanted.until is None:
                    self._note_done(wanted.event.id)
        for wanted in due:
            clip, note = self._written(wanted)
            self._tell(self._history.keep_clip, wanted.event.id, clip, note)
        if due or now - self._pruned > PRUNE_S:
            self.prune()

    def _give_up(self) -> None:
        """Say of what is not due that it has no clip; the sink that follows this one may yet make it."""
        for event_id in self._wanted:
            self._tell(self._history.keep_clip, event_id, None, "no clip: its sink was closed before it was whole")
        self._wanted.clear()

    def prune(self) -> None:
        """Keep the folder within its bounds, and say in the rows which clips are gone."""
        self._pruned = self._clock()
        try:
            for name, why in self._folder.prune():
                self._tell(self._history.forget_clip, self._as_row(name), why)
        except OSError as err:
            log.warning("%s: old clips cannot be deleted (%s)", self._folder.path, err.strerror)

    def _note_done(self, event_id: str) -> None:
        self._done[event_id] = None
        if len(self._done) > MAX_EVENTS:  # a filter may leave out ends, which would take them off
            del self._done[next(iter(self._done))]

    def _run(self) -> None:
        self._guarded(self._folder.clean)
        self.prune()
        while not self._closing:
            self._wake.wait(POLL_S if self._wanted else PRUNE_S)
            self._wake.clear()
            self._guarded(self.write_due)
        self._guarded(self.write_due)
        self._guarded(self._give_up)

    def _guarded(self, step: Callable[[], None]) -> None:
        """A thread that ends would end all clips after this one, and nobody would know."""
        try:
            step()
        except Exception:
            log.exception("%s: a clip was not kept", self._folder.path)

    def _is_due(self, wanted: _Wanted, now: float) -> bool:
        recorder = self._recorders.get(wanted.event.source)
        if recorder is None or (wanted.until is not None and now > wanted.until):
            return True
        return recorder.is_over or recorder.position_s >= wanted.stop_s + AROUND_S

    def _written(self, wanted: _Wanted) -> tuple[str | None, str | None]:
        """The clip as the row names it, or why there is none."""
        excerpt, refusal = self._excerpt(wanted)
        if excerpt is None:
            return None, f"no clip: {refusal}"
        name = wanted.name  # once: where there is no other time, it has that of now
        try:
            self._folder.write(name, excerpt)
        except (OSError, RuntimeError) as err:  # soundfile's errors are RuntimeErrors
            said = getattr(err, "strerror", None) or err
            self._trouble.say(f"no clip ({said})", "no clip")
            return None, f"no clip: it cannot be written ({said})"
        self._trouble.over("clips can be written again")
        return self._as_row(name), None

    def _excerpt(self, wanted: _Wanted) -> tuple[Excerpt | None, str]:
        recorder = self._recorders.get(wanted.event.source)
        if self._held(wanted.event):
            return None, "snoozed before it was whole"
        if recorder is None:
            return None, "nobody records this source"
        if not recorder.knows_speech and not self._speech:
            return None, "the model cannot tell whether someone speaks"
        excerpt = recorder.excerpt(wanted.start_s, wanted.stop_s, AROUND_S)
        if excerpt is not None and excerpt.speech >= SPEECH and not self._speech:
            return None, "someone spoke"
        return excerpt, "its audio had gone by"

    def _as_row(self, name: str) -> str:
        return f"{self._folder.path.name}/{name}"

    def _tell(self, say: Callable[..., None], *what: str | None) -> None:
        """A row that cannot be written costs no clip and ends no thread."""
        try:
            say(*what)
        except SinkError as err:
            log.warning("%s", err)


def _as_file_name(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text, flags=re.ASCII).lstrip(".")[:200]
