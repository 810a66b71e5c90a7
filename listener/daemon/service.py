"""Builds a daemon from a configuration, and applies another configuration while it runs."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from listener import config as configuration
from listener import messages
from listener.base import requirements
from listener.base.schema import Errors
from listener.base.version import __version__
from listener.config import Config, Part
from listener.daemon.build import build_pipeline, change_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.live_spectrogram import LiveSpectrogram
from listener.daemon.saved_controls import SavedControls
from listener.daemon.stream import Stream
from listener.errors import ConfigError, ListenerError, SinkError
from listener.messages import Event, Hello
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.routing.controls import Controls
from listener.routing.filters import Filter
from listener.routing.sink import BaseSink
from listener.routing.sink_worker import SinkBinding
from listener.sources.base import BaseSource

log = logging.getLogger(__name__)

FIXED = {"model": "model", "source": "sources", "daemon": "daemon"}  # sections that only a restart changes
LOCAL_SINKS = ("console", "socket")  # the only ones that get events of a substitute source, such as the demo
RELOAD_S = 10.0  # a command to reload waits this long for the sinks

SinkMaker = Callable[[Part, Hello], BaseSink]


@dataclass(frozen=True, slots=True)
class ConfiguredSink:
    """A sink with the part of the configuration that describes it."""

    part: Part
    sink: BaseSink
    filter: Filter
    files: object  # which files with secrets and certificates it was made with


class Service:
    """A daemon with its streams, sinks and controls.

    Args:
        config: The configuration, read and checked.
        bundle: Its model.
        classifier: The model, ready to run.
        sources: Its sources.
        make_sink: Makes a sink from its part; on a terminal, the console is a live display.
        read: Reads the configuration again, for a reload.
        patient: Whether sinks that cannot be opened at the start are retried while the others serve.
        saved: The file that keeps the user's controls over a restart; None keeps nothing.
    """

    def __init__(
        self,
        config: Config,
        bundle: Bundle,
        classifier: Classifier,
        sources: Sequence[BaseSource],
        *,
        make_sink: SinkMaker,
        read: Callable[[], Config],
        patient: bool = False,
        saved: Path | None = None,
    ) -> None:
        self._read, self._patient = read, patient
        self._config, self._bundle, self._provider, self._make_sink = config, bundle, classifier.provider, make_sink
        self._hello = hello(config, bundle, classifier.provider)
        known = self._hello.labels, self._hello.groups, self._hello.sources
        self.controls = Controls(*known, self._retune, reload=self._check_and_reload, test=self._test)
        self._saved = SavedControls(saved, self.controls, lambda: self._hello.thresholds) if saved else None
        self.daemon = Daemon(self.controls, on_tick=self._saved.save if self._saved else lambda: None)
        self._substitutes = {source.substitute_name for source in sources} - {""}
        self._sinks: list[ConfiguredSink] = []
        self._sinks = self._configured_sinks(config, self._hello)
        self._streams = [self._stream(source, classifier) for source in sources]

    @property
    def has_heard(self) -> bool:
        """Whether any source has delivered audio."""
        return any(stream.meter.position for stream in self._streams)

    def run(self) -> None:
        """Run until every source has ended or the daemon is stopped."""
        if self._saved:
            self._saved.restore()
        self.daemon.run(self._streams, self._bindings(self._sinks, self._retry_on))

    def _test(self, label: str) -> list[str]:
        """Publish a short test event; return the names of the sinks that were sent it."""
        start, end = messages.make_test_event(label, self._hello.model)
        names = self.daemon.publish_test(start)
        self.daemon.publish_test(end)
        log.info("test event %s sent to: %s", label, ", ".join(names) or "no sink")
        return names

    def _retry_on(self, kind: str) -> tuple[type[Exception], ...]:
        """Errors that a patient start survives. Without its socket a daemon is of no use: another one may have it."""
        return (SinkError,) if self._patient and kind != "socket" else ()

    def reload(self) -> None:
        """Apply the configuration as it is now, soon. For any thread and for signal handlers."""
        self.daemon.reload(self._reload)

    def _check_and_reload(self) -> list[str]:
        """Apply it for a user who waits for the result.

        Returns:
            The sections that only a restart changes.

        Raises:
            ListenerError: It was refused.
        """
        wanted = self._read()
        possible = self._possible(wanted)
        with configuration.located(wanted.path):
            greeting = hello(possible, self._bundle, self._provider)
            for place, part in possible.outputs:
                if part not in self._config.sinks:
                    with place.named():
                        part.factory(part.config, greeting)  # raises its errors; `_reload` makes its own
        differences = _differences(wanted, self._config)
        try:
            self.daemon.reload(self._reload).result(RELOAD_S)
        except TimeoutError:
            log.warning("a reload takes longer than %g s", RELOAD_S)
        except CancelledError as err:
            raise ListenerError("the daemon is stopping", code="reload-stopping") from err
        return differences

    def _reload(self) -> str:
        """Apply what can be applied to a running daemon.

        Returns:
            A report for the log and systemd.

        Raises:
            ListenerError: The configuration is wrong, and the old one stays in force.
        """
        try:
            wanted = self._read()
            self._apply(self._possible(wanted), _differences(wanted, self._config))
        except ListenerError as err:
            log.error("reload refused, the configuration is as it was: %s", err)  # noqa: TRY400
            raise
        except Exception as err:  # a fault in a part; the old configuration is still good
            log.exception("reload refused, the configuration is as it was")
            raise ListenerError(f"a part failed: {err!r}", code="reload-failed") from err
        waiting = _differences(wanted, self._config)
        report = f"reloaded; only a restart changes: {', '.join(waiting)}" if waiting else "reloaded"
        log.log(logging.WARNING if waiting else logging.INFO, "%s", report)
        return report

    def _possible(self, wanted: Config) -> Config:
        return replace(wanted, **{name: getattr(self._config, name) for name in FIXED.values()})

    def _apply(self, config: Config, waiting: Sequence[str]) -> None:
        """Exchange the sinks first, because they can fail, then change what cannot."""
        before = self._config
        with configuration.located(config.path):
            greeting = hello(config, self._bundle, self._provider)
            sinks = self._configured_sinks(config, greeting)
            _greet(_kept(self._sinks, sinks), greeting, self._hello)
        self._exchange(sinks)
        for problem in (*configuration.mismatches(config, self._bundle), *configuration.deprecations(config)):
            log.warning("%s", problem)
        self._config, self._hello = config, greeting
        _follow_time_zone()
        self.controls.reconfigure(greeting.labels, greeting.groups, waiting)
        for stream in self._streams:
            stream.reconfigure(change_pipeline(before, config, self._bundle, stream.name))

    def _exchange(self, sinks: list[ConfiguredSink]) -> None:
        """Open new sinks and close old ones. If that fails, restore the old ones, and retry any that do not open."""
        before, self._sinks = self._sinks, sinks
        try:
            self.daemon.reconfigure(self._bindings(sinks))
        except Exception:
            kept = _kept(before, sinks)
            _greet(kept, self._hello, self._hello)
            self._sinks = [each if each.sink in kept else self._remade(each) for each in before]
            self.daemon.reconfigure(self._bindings(self._sinks, lambda _kind: (Exception,)))
            raise

    def _remade(self, each: ConfiguredSink) -> ConfiguredSink:
        return replace(each, sink=self._make_sink(each.part, self._hello))

    def _configured_sinks(self, config: Config, greeting: Hello) -> list[ConfiguredSink]:
        """Return every sink of a configuration: the running one if only its filter has changed, else a new one.

        Raises:
            ConfigError: A sink cannot be made, or two sinks want the same file, address or topic.
        """
        free, sinks = list(self._sinks), list[ConfiguredSink]()
        required = []
        for place, part in config.outputs:
            running = next((each for each in free if _is_unchanged(each, part)), None)
            if running:
                free.remove(running)
            with place.named():
                sink = running.sink if running else self._make_sink(part, greeting)
            required.append((place.words, sink.requirements))
            before = running.filter if running else None
            filter = Filter(part.when, greeting.groups, before=before, needs_ends=sink.needs_ends)
            sinks.append(ConfiguredSink(part, sink, filter, requirements.fingerprint(sink.requirements)))
        Errors(list(requirements.conflicts(required))).raise_any()
        return sinks

    def _bindings(
        self, sinks: Sequence[ConfiguredSink], retry_on: Callable[[str], tuple[type[Exception], ...]] = lambda _: ()
    ) -> list[SinkBinding]:
        """Bind sinks under their kinds, numbered if there are several of one kind."""
        kinds = [getattr(each.part.config, "name", "") or each.part.kind for each in sinks]
        names = [
            kind if kinds.count(kind) == 1 else f"{kind} {kinds[:n].count(kind) + 1}" for n, kind in enumerate(kinds)
        ]
        return [
            SinkBinding(name, each.sink, partial(self._accepts, each), retry_on(each.part.kind))
            for name, each in zip(names, sinks, strict=True)
        ]

    def _accepts(self, each: ConfiguredSink, event: Event) -> bool:
        if event.source in self._substitutes and each.part.kind not in LOCAL_SINKS:
            return False
        return each.filter(event)

    def _stream(self, source: BaseSource, classifier: Classifier) -> Stream:
        bundle, daemon = self._bundle, self.daemon
        loop = build_pipeline(self._config, bundle, classifier.stream(), source.name)
        spectrogram = LiveSpectrogram(
            source.name, bundle.features, bundle.filters, daemon.wants_spectrum, daemon.on_spectrum
        )
        loop.observers = (spectrogram,)
        return Stream(source, loop, daemon.publish, daemon.ended)

    def _retune(self, label: str, on: float | None) -> None:
        if label not in self._hello.thresholds:
            raise ValueError(f"{label!r} has no threshold of the model's; see its section in the configuration")
        for stream in self._streams:
            stream.retune(label, on)


def hello(config: Config, bundle: Bundle, provider: str) -> Hello:
    """Return what the daemon tells sinks and their clients about itself."""
    rules, names = configuration.rules(config, bundle), configuration.names(config)
    return Hello(
        version=__version__,
        pid=os.getpid(),
        model=bundle.name,
        provider=provider,
        labels=configuration.event_labels(config, bundle),
        thresholds={names.get(label, label): rule.on for label, rule in rules.items()},
        groups=configuration.groups(config, bundle),
        sources=[part.config.name for part in config.sources],
        config=messages.printable(config.path.absolute()) if config.path else "",
    )


def _is_unchanged(running: ConfiguredSink, part: Part) -> bool:
    """Tell whether a sink can stay: its section is the same, and so are its secrets and certificates."""
    same = (running.part.kind, running.part.config) == (part.kind, part.config)
    return same and running.files == requirements.fingerprint(running.sink.requirements)


def _kept(before: Sequence[ConfiguredSink], after: Sequence[ConfiguredSink]) -> list[BaseSink]:
    """The sinks of both lists."""
    there = {id(each.sink) for each in before}
    return [each.sink for each in after if id(each.sink) in there]


def _greet(sinks: Sequence[BaseSink], greeting: Hello, before: Hello) -> None:
    """Pass the new labels to sinks. If one refuses, restore the old ones in all of them."""
    try:
        for sink in sinks:
            sink.on_hello(greeting)
    except ConfigError:
        for sink in sinks:
            sink.on_hello(before)
        raise


def _differences(wanted: Config, running: Config) -> list[str]:
    """The sections, by their names in the file, that differ and stay as they were."""
    return [name for name, section in FIXED.items() if getattr(wanted, section) != getattr(running, section)]


def _follow_time_zone() -> None:
    """Use the machine's time zone as it is now, for local times in sinks and for `hours` in filters."""
    before = time.strftime("%Z %z")
    time.tzset()
    after = time.strftime("%Z %z")
    if after != before:
        log.info("time zone: %s, was %s", after, before)
