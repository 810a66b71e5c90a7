"""The daemon as a configuration describes it; and as another one does, while it runs."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from listener import config as configuration
from listener import messages
from listener.base.version import __version__
from listener.config import Config, Part
from listener.daemon.build import build_pipeline, change_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.live_spectrogram import LiveSpectrogram
from listener.daemon.stream import Stream
from listener.errors import ConfigError, ListenerError, SinkError
from listener.messages import Hello
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.routing.controls import Controls
from listener.routing.filters import Filter
from listener.routing.sink import BaseSink
from listener.routing.sink_worker import SinkBinding
from listener.sources.base import BaseSource

log = logging.getLogger(__name__)

FIXED = {"model": "model", "source": "sources", "daemon": "daemon"}  # as it was at the start, until the end

SinkMaker = Callable[[Part, Hello], BaseSink]


@dataclass(frozen=True, slots=True)
class ConfiguredSink:
    """A sink of the configuration, made."""

    part: Part
    sink: BaseSink
    filter: Filter


class Service:
    """A daemon with its streams, sinks and controls, from a configuration that was read and checked.

    `make_sink` makes a sink of its part: the console is a live display where there is a terminal. `read` gives the
    configuration as it is now. `patient`: a sink that cannot be opened at the start is waited for while others serve.
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
    ) -> None:
        self._read, self._patient = read, patient
        self._config, self._bundle, self._provider, self._make_sink = config, bundle, classifier.provider, make_sink
        self._hello = hello(config, bundle, classifier.provider)
        known = self._hello.labels, self._hello.groups, self._hello.sources
        self.controls = Controls(*known, self._retune, reload=self._check_and_reload)
        self.daemon = Daemon(self.controls)
        self._sinks: list[ConfiguredSink] = []
        self._sinks = self._configured_sinks(config, self._hello)
        self._streams = [self._stream(source, classifier) for source in sources]

    @property
    def has_heard(self) -> bool:
        """Whether any source has given any audio."""
        return any(stream.meter.position for stream in self._streams)

    def run(self) -> None:
        """Until every source has ended, or the daemon is stopped."""
        self.daemon.run(self._streams, _bindings(self._sinks, self._retry_on))

    def _retry_on(self, kind: str) -> tuple[type[Exception], ...]:
        """Without its socket nobody could ask it how it is, and another daemon may have it."""
        return (SinkError,) if self._patient and kind != "socket" else ()

    def reload(self) -> None:
        """Go by the configuration as it is now, soon. For any thread and for signal handlers."""
        self.daemon.reload(self._reload)

    def _check_and_reload(self) -> list[str]:
        """Likewise, at a user's command: what only a restart changes. ListenerError where it is wrong."""
        wanted = self._read()
        possible = self._possible(wanted)
        with configuration.located(wanted.path):
            greeting = hello(possible, self._bundle, self._provider)
            for part in possible.sinks:
                if part not in self._config.sinks:
                    part.factory(part.config, greeting)  # to have it say what is wrong; `_reload` makes its own
        self.reload()
        return _differences(wanted, self._config)

    def _reload(self) -> str:
        """Go by what is read, as far as a running daemon can; what came of it, in words. Nothing, if it is wrong."""
        try:
            wanted = self._read()
            self._apply(self._possible(wanted), _differences(wanted, self._config))
        except Exception as err:  # whatever is wrong with the new one, the old one is still good
            fault = None if isinstance(err, ListenerError) else err
            log.error("reload refused, the configuration is as it was: %s", err, exc_info=fault)  # noqa: TRY400
            return f"reload refused: {err}"
        waiting = _differences(wanted, self._config)
        report = f"reloaded; only a restart changes: {', '.join(waiting)}" if waiting else "reloaded"
        log.log(logging.WARNING if waiting else logging.INFO, "%s", report)
        return report

    def _possible(self, wanted: Config) -> Config:
        return replace(wanted, **{name: getattr(self._config, name) for name in FIXED.values()})

    def _apply(self, config: Config, waiting: Sequence[str]) -> None:
        """The sinks first: they can refuse, and what comes after cannot."""
        before = self._config
        with configuration.located(config.path):
            greeting = hello(config, self._bundle, self._provider)
            sinks = self._configured_sinks(config, greeting)
            _greet(_kept(self._sinks, sinks), greeting, self._hello)
        self._exchange(sinks)
        for problem in (*configuration.mismatches(config, self._bundle), *configuration.deprecations(config)):
            log.warning("%s", problem)
        self._config, self._hello = config, greeting
        self.controls.reconfigure(greeting.labels, greeting.groups, waiting)
        for stream in self._streams:
            stream.reconfigure(change_pipeline(before, config, self._bundle, stream.name))

    def _exchange(self, sinks: list[ConfiguredSink]) -> None:
        """Open what is new and close what is gone; where that fails, have it all again as it was.

        Whoever cannot be opened again then must not keep the others from it.
        """
        before, self._sinks = self._sinks, sinks
        try:
            self.daemon.reconfigure(_bindings(sinks))
        except Exception:
            kept = _kept(before, sinks)
            _greet(kept, self._hello, self._hello)
            self._sinks = [each if each.sink in kept else self._remade(each) for each in before]
            self.daemon.reconfigure(_bindings(self._sinks, lambda _kind: (Exception,)))
            raise

    def _remade(self, each: ConfiguredSink) -> ConfiguredSink:
        return replace(each, sink=self._make_sink(each.part, self._hello))

    def _configured_sinks(self, config: Config, greeting: Hello) -> list[ConfiguredSink]:
        """Every sink of a configuration: the one that is there where nothing but its filter has changed, else new."""
        free, sinks = list(self._sinks), list[ConfiguredSink]()
        for _, part in config.outputs:
            there = next(
                (each for each in free if (each.part.kind, each.part.config) == (part.kind, part.config)), None
            )
            if there:
                free.remove(there)
            sink = there.sink if there else self._make_sink(part, greeting)
            before = there.filter if there else None
            sinks.append(ConfiguredSink(part, sink, Filter(part.when, greeting.groups, before=before)))
        return sinks

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
    """Who we are, for sinks and their clients."""
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


def _bindings(
    sinks: Sequence[ConfiguredSink], retry_on: Callable[[str], tuple[type[Exception], ...]] = lambda _kind: ()
) -> list[SinkBinding]:
    """The sinks by their kinds, numbered where there are several of one, and what each is retry_on."""
    kinds = [each.part.kind for each in sinks]
    names = [kind if kinds.count(kind) == 1 else f"{kind} {kinds[:n].count(kind) + 1}" for n, kind in enumerate(kinds)]
    return [
        SinkBinding(name, each.sink, each.filter, retry_on(each.part.kind))
        for name, each in zip(names, sinks, strict=True)
    ]


def _kept(before: Sequence[ConfiguredSink], after: Sequence[ConfiguredSink]) -> list[BaseSink]:
    """The sinks that are in both."""
    there = {id(each.sink) for each in before}
    return [each.sink for each in after if id(each.sink) in there]


def _greet(sinks: Sequence[BaseSink], greeting: Hello, before: Hello) -> None:
    """Tell those that want to know who we are now; if one cannot say it, all say again who we were."""
    try:
        for sink in sinks:
            sink.on_hello(greeting)
    except ConfigError:
        for sink in sinks:
            sink.on_hello(before)
        raise


def _differences(wanted: Config, running: Config) -> list[str]:
    """The sections, as the file calls them, that were changed and stay as they were."""
    return [name for name, section in FIXED.items() if getattr(wanted, section) != getattr(running, section)]
