"""Store events in a database, and on request their audio."""

import logging
import threading
import time
from pathlib import Path
from typing import Annotated

from listener import messages
from listener.base import paths
from listener.base.incidents import IncidentLog
from listener.base.requirements import Requirements
from listener.base.schema import Meta, suggestion
from listener.errors import ConfigError, SinkError
from listener.routing.controls import Controls, is_muted
from listener.routing.recorder import VOICES, Recorder
from listener.routing.sink import BaseSink, SinkConfig
from listener.sinks.history.recordings import EventRecorder, RecordingStore
from listener.storage import history

log = logging.getLogger(__name__)

MAX_PENDING = 1024  # events that wait in memory while the disk does not take them
RETRY_S = 10.0


class HistoryConfig(SinkConfig, frozen=True):
    """A database of events."""

    path: Annotated[str, Meta(description="file; empty: history.db in the state folder")] = ""
    keep_days: Annotated[float, Meta(gt=0, le=36_500, description="older events are deleted")] = 365.0
    max_mb: Annotated[
        float, Meta(ge=1, le=100_000, description="size of the file from which on the oldest events are deleted")
    ] = 100.0
    clips: Annotated[
        tuple[str, ...], Meta(description="labels and groups whose audio is kept as FLAC files; empty: none")
    ] = ()
    clip_pre_s: Annotated[float, Meta(ge=0, le=10, description="a recording begins this long before its event")] = 2.0
    clip_most_s: Annotated[float, Meta(ge=1, le=30, description="and is at most this long")] = 20.0
    clip_keep_days: Annotated[float, Meta(gt=0, le=36_500, description="older recordings are deleted")] = 30.0
    clip_max_mb: Annotated[
        float, Meta(gt=0, le=1e6, description="size of all recordings from which on the oldest are deleted")
    ] = 500.0
    clip_speech: Annotated[bool, Meta(description="also keep recordings with speech in or near them")] = False


class HistorySink(BaseSink):
    """Events in a database on this machine, for `listener history`; their audio too, if it is asked for."""

    Config = HistoryConfig
    needs_ends = True  # a row is open until its event ends
    lost = 0  # events that the disk did not take in time

    def __init__(self, config: HistoryConfig, hello: messages.Hello) -> None:
        self._config, self._hello = config, hello
        self._recorded_labels = _recorded_labels(config, hello)
        self._controls: Controls | None = None
        path = _path(config)
        self._history = history.History(path, keep_days=config.keep_days, max_mb=config.max_mb)
        keep_days = min(config.clip_keep_days, config.keep_days)  # no recording outlives its row
        self._store = RecordingStore(_recordings_folder(path), keep_days=keep_days, max_mb=config.clip_max_mb)
        self._recorder = EventRecorder(
            self._history,
            self._store,
            pre_s=config.clip_pre_s,
            max_s=config.clip_most_s,
            speech=config.clip_speech,
            is_suppressed=self._is_suppressed,
        )
        self._pending: dict[str, messages.Event] = {}  # the last line of each event that is not stored yet
        self._flushing = threading.Lock()
        self._flushed_at = 0.0
        self._incidents = IncidentLog("", log)

    def on_hello(self, hello: messages.Hello) -> None:
        """Record the labels that its groups contain now."""
        self._recorded_labels = _recorded_labels(self._config, hello)
        self._hello = hello

    @property
    def path(self) -> Path:
        """The file."""
        return self._history.path

    @property
    def requirements(self) -> Requirements:
        return Requirements(writes=(self.path,), databases=(self.path,), labels={"clips": self._config.clips})

    @property
    def wants_audio(self) -> bool:
        """Whether labels are recorded."""
        return bool(self._recorded_labels)

    def add_recorder(self, recorder: Recorder) -> None:
        self._recorder.add_recorder(recorder)

    def set_controls(self, controls: Controls) -> None:
        self._controls = controls
        controls.watch(self._on_state)

    def open(self) -> None:
        self._history.open()
        if self.wants_audio or self._store.path.exists():  # old recordings are pruned, too
            self._recorder.open()

    @property
    def waiting(self) -> int:
        """Events that the disk has not taken yet."""
        return len(self._pending)

    def emit(self, event: messages.Event) -> None:
        """Store an event line. While the disk does not take it, the last line of each event is kept in memory."""
        with self._flushing:
            self._pending.pop(event.id, None)
            self._pending[event.id] = event
            if len(self._pending) > MAX_PENDING:
                del self._pending[next(iter(self._pending))]
                self.lost += 1
        if event.label in self._recorded_labels:
            self._recorder.follow(event)
        self._flush()

    def on_status(self, _status: messages.Status) -> None:
        """Try again to store events that the disk did not take."""
        if self._pending and time.monotonic() - self._flushed_at > RETRY_S and not self._flushing.locked():
            threading.Thread(target=self._flush, name="history", daemon=True).start()

    def close(self) -> None:
        if self._controls is not None:
            self._controls.unwatch(self._on_state)
        self._recorder.close()
        self._flush()
        self._history.close()

    def _flush(self) -> None:
        with self._flushing:
            self._flushed_at = time.monotonic()
            for event in list(self._pending.values()):
                try:
                    self._history.record(event)
                except SinkError as err:
                    self._incidents.report(f"{err} Until then events wait in memory.", "unwritable")
                    return
                del self._pending[event.id]
        self._incidents.resolve(f"{self._history.path}: can be written again")

    def _on_state(self, state: messages.State) -> None:
        self._recorder.mute({source for source in self._hello.sources if is_muted(state, source)})

    def _is_suppressed(self, event: messages.Event) -> bool:
        """Tell whether an event has been snoozed or muted since it began."""
        return self._controls is not None and self._controls.is_suppressed(event)


def _path(config: HistoryConfig) -> Path:
    return paths.expanded(config.path) if config.path else history.default_path()


def _recordings_folder(database: Path) -> Path:
    return database.parent / f"{database.stem}-clips"


def _recorded_labels(config: HistoryConfig, hello: messages.Hello) -> set[str]:
    """Return the labels to record, or raise ConfigError for one that can never be recorded."""
    for name in config.clips:
        if name in VOICES and not config.clip_speech:
            problem, remedy = f"clips: {name!r} is not recorded", "Leave it out, or set clip_speech = true."
            raise ConfigError(problem, code="history-speech", remedy=remedy)
        if name not in (*hello.labels, *hello.groups):
            known = (*hello.labels, *hello.groups)
            log.warning("sink history: clips: there is no label or group %r. %s", name, suggestion(name, known))
    return {label for name in config.clips for label in hello.groups.get(name, (name,))}
