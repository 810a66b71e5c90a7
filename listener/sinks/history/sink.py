"""Events in a database on this machine, for `listener history`; their audio too, if it is asked for."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from listener import messages
from listener.base import paths
from listener.base.clocks import uptime
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section, suggestion
from listener.errors import ConfigError
from listener.routing.controls import Controls, is_muted
from listener.routing.recorder import VOICES, Recorder
from listener.routing.sink import BaseSink
from listener.sinks.history.recordings import Clips, Folder
from listener.storage import history

log = logging.getLogger(__name__)


class HistoryConfig(Section, frozen=True):
    """A database of events."""

    path: Annotated[str, Meta(description="file; empty: history.db in the state folder")] = ""
    keep_days: Annotated[float, Meta(gt=0, le=36_500, description="older events are deleted")] = 365.0
    max_mb: Annotated[float, Meta(ge=1, le=100_000, description="the oldest go when the file is bigger")] = 100.0
    clips: Annotated[
        tuple[str, ...], Meta(description="labels and groups whose audio is kept too, as FLAC; empty: none")
    ] = ()
    clip_pre_s: Annotated[float, Meta(ge=0, le=10, description="a clip begins so long before its event")] = 2.0
    clip_most_s: Annotated[float, Meta(ge=1, le=30, description="and is cut off after so long")] = 20.0
    clip_keep_days: Annotated[float, Meta(gt=0, le=36_500, description="older clips are deleted")] = 30.0
    clip_max_mb: Annotated[float, Meta(gt=0, le=1e6, description="the oldest go when all are bigger")] = 500.0
    clip_speech: Annotated[bool, Meta(description="keep clips in which, or beside which, someone speaks")] = False


class History(BaseSink):
    """Events in a database on this machine, for `listener history`; their audio too, if it is asked for."""

    Config = HistoryConfig

    def __init__(self, config: HistoryConfig, hello: messages.Hello, *, uptime: Callable[[], float] = uptime) -> None:
        self._config, self._hello = config, hello
        self._clip_labels = _clip_labels(config, hello)
        self._controls: Controls | None = None
        self._history = history.History(_path(config), keep_days=config.keep_days, max_mb=config.max_mb, uptime=uptime)
        keep_days = min(config.clip_keep_days, config.keep_days)  # by age, no clip outlives its row
        self._folder = Folder(
            _clip_folder(_path(config)),
            keep_days=keep_days,
            max_mb=config.clip_max_mb,
            ageing=self._history.ageing,
        )
        self._clips = Clips(
            self._history,
            self._folder,
            pre_s=config.clip_pre_s,
            most_s=config.clip_most_s,
            speech=config.clip_speech,
            held=self._is_held,
        )

    def on_hello(self, hello: messages.Hello) -> None:
        """Keep the audio of what its groups mean now."""
        self._clip_labels = _clip_labels(self._config, hello)
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
        """Whether audio is asked for."""
        return bool(self._clip_labels)

    def add_recorder(self, recorder: Recorder) -> None:
        self._clips.add_recorder(recorder)

    def set_controls(self, controls: Controls) -> None:
        self._controls = controls
        controls.watch(self._heed)

    def open(self) -> None:
        self._history.open()
        if self.wants_audio or self._folder.path.exists():  # clips of earlier days grow old, too
            self._clips.open()

    def emit(self, event: messages.Event) -> None:
        self._history.record(event)
        if event.label in self._clip_labels:
            self._clips.follow(event)

    def close(self) -> None:
        if self._controls is not None:
            self._controls.unwatch(self._heed)
        self._clips.close()
        self._history.close()

    def _heed(self, state: messages.State) -> None:
        self._clips.mute({source for source in self._hello.sources if is_muted(state, source)})

    def _is_held(self, event: messages.Event) -> bool:
        """Whether a user has asked, since the event began, not to be told of it."""
        return self._controls is not None and self._controls.holds_back(event)


def _path(config: HistoryConfig) -> Path:
    return paths.expanded(config.path) if config.path else history.default_path()


def _clip_folder(database: Path) -> Path:
    return database.parent / f"{database.stem}-clips"


def _clip_labels(config: HistoryConfig, hello: messages.Hello) -> set[str]:
    """The labels whose audio is asked for. ConfigError where that could never be kept."""
    for name in config.clips:
        if name in VOICES and not config.clip_speech:
            raise ConfigError(
                f"sink history: clips: {name!r} is speech, of which no clip is kept; "
                "leave it out, or set clip_speech = true"
            )
        if name not in (*hello.labels, *hello.groups):
            known = (*hello.labels, *hello.groups)
            log.warning("sink history: clips: there is no label or group %r. %s", name, suggestion(name, known))
    return {label for name in config.clips for label in hello.groups.get(name, (name,))}
