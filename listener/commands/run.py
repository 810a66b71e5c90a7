"""`listener run`: the daemon, in the foreground; a live display where there is a terminal."""

import argparse
import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from listener import __version__, paths, pipeline
from listener import config as configuration
from listener.bundle import ASSETS, Bundle
from listener.classifier import Classifier
from listener.commands import _shared
from listener.commands._shared import Setup
from listener.config import Config, Part
from listener.controls import Controls
from listener.daemon import Daemon
from listener.ear import Ear
from listener.errors import ConfigError, SourceError
from listener.filters import Filter
from listener.outlet import Route, Sink
from listener.schema import changed
from listener.signals import Capture
from listener.types import Source
from listener.wire import Hello

if TYPE_CHECKING:
    from listener.display import Display

log = logging.getLogger(__name__)

SOURCE_FLAGS = ("device", "rate", "channels", "format", "path", "backend")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    source = parser.add_argument_group("where sound comes from, instead of the configuration's sources")
    source.add_argument("--source", metavar="KIND", help="microphone, stdin or file")
    source.add_argument(
        "--device", metavar="D", help="index, name, or a unique part of the name; see `listener devices`"
    )
    source.add_argument("--backend", choices=("sounddevice", "pyaudio"), help="the library that opens the microphone")
    source.add_argument("--path", metavar="FILE", help="the recording of --source file, as fast as it goes")
    source.add_argument("--format", help="the sample format of --source stdin: auto, wav, s16le …")
    source.add_argument("--rate", type=int, metavar="HZ", help="the sample rate to ask for, or that stdin has")
    source.add_argument("--channels", type=int, metavar="N")
    absent = parser.add_mutually_exclusive_group()
    absent.add_argument("--wait", action="store_true", help="where there is no microphone, wait for one")
    absent.add_argument("--or-demo", action="store_true", help="where there is no microphone, play the demo recording")
    output = parser.add_argument_group("what is written to the terminal")
    output.add_argument("--json", action="store_true", help="JSON lines")
    output.add_argument("--plain", action="store_true", help="lines of text, no live display")
    _shared.add_config_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Listen until every source has ended or a signal comes."""
    setup = _shared.read(arguments, _source_table(arguments))
    config = _wired(setup.config, arguments)
    logging.basicConfig(level=config.daemon.log_level.upper(), format=_log_format(), stream=sys.stderr)
    for stranger in configuration.strangers(config, setup.bundle):
        log.warning("%s", stranger)
    classifier = Classifier(setup.bundle, config.model.providers)
    log.info("model %s on %s", setup.bundle.name, classifier.provider)
    greeting = hello(config, setup.bundle, classifier.provider)
    ears: list[Ear] = []

    def retune(label: str, on: float | None) -> None:
        if label not in greeting.thresholds:
            raise ValueError(f"{label!r} has no threshold of the model's; see its section in the configuration")
        for ear in ears:
            ear.retune(label, on)

    daemon = Daemon(Controls(greeting.labels, greeting.groups, greeting.sources, retune))
    with configuration.located(config.path):
        sources = [_source(part, or_demo=arguments.or_demo) for part in config.sources]
        routes = [
            Route(name, _sink(part, greeting, arguments), Filter(part.when, greeting.groups))
            for name, part in zip(_sink_names(config), config.sinks, strict=True)
        ]
    ears += [_ear(source, config, setup, classifier, daemon) for source in sources]
    capture.deliver_to(daemon.stop)
    try:
        daemon.run(ears, routes)
    except SourceError as err:
        if any(ear.meter.position for ear in ears):
            raise
        raise ConfigError(str(err)) from err  # nothing was ever heard: what was asked for is not to be had
    return 0 if daemon.lossless else 1  # what was lost, the log has said


def _sink_names(config: Config) -> list[str]:
    """The sinks' kinds, numbered where there are several of one."""
    kinds = [part.kind for part in config.sinks]
    return [kind if kinds.count(kind) == 1 else f"{kind} {kinds[:n].count(kind) + 1}" for n, kind in enumerate(kinds)]


def _source_table(arguments: argparse.Namespace) -> dict[str, Any]:
    """The one source that the flags describe, as the table it would be in the file."""
    given = {flag: getattr(arguments, flag) for flag in SOURCE_FLAGS if getattr(arguments, flag) is not None}
    if not given and not arguments.source:
        return {}
    return {"source": [{"kind": arguments.source or ("file" if arguments.path else "microphone"), **given}]}


def _wired(config: Config, arguments: argparse.Namespace) -> Config:
    """The configuration with --wait and --json worked in."""
    sources, sinks = config.sources, config.sinks
    if arguments.wait:
        sources = tuple(_changed(part, wait=True) if hasattr(part.config, "wait") else part for part in sources)
    if arguments.json:
        others = [part for part in sinks if part.kind != "console"]
        console = configuration.part("sink", {"kind": "console", "json": True})
        sinks = (console, *others)
    return replace(config, sources=sources, sinks=sinks)


def _changed(part: Part, **changes: Any) -> Part:
    return replace(part, config=changed(part.config, **changes))


def _source(part: Part, *, or_demo: bool) -> Source:
    source: Source = part.factory(part.config)
    if not or_demo or part.kind != "microphone":
        return source
    from listener.sources.fallback import Fallback

    recording = ASSETS / "demo.ogg"
    demo = configuration.part("source", {"kind": "file", "name": "demo", "path": str(recording), "realtime": True})
    return Fallback(source, demo.factory(demo.config), "there is no microphone: playing the demo recording")


def _ear(source: Source, config: Config, setup: Setup, classifier: Classifier, daemon: Daemon) -> Ear:
    loop = pipeline.build(config, setup.bundle, classifier, source.name)
    return Ear(source, loop, pipeline.rules(config, setup.bundle), daemon.publish, daemon.ended)


def _sink(part: Part, greeting: Hello, arguments: argparse.Namespace) -> Sink:
    sink: Sink
    if part.kind == "console" and not part.config.json and not arguments.plain and sys.stdout.isatty():
        from listener.display import Display

        sink = display = Display(greeting)
        root = logging.getLogger()
        root.handlers = [_Notes(display, handler) for handler in root.handlers]
    else:
        sink = part.factory(part.config, greeting)
    return sink


class _Notes(logging.Handler):
    """The log at the foot of the display while it is open, for on stderr it would spoil the picture.

    Errors are also kept, and written to stderr at the end.
    """

    def __init__(self, display: "Display", stderr: logging.Handler) -> None:
        super().__init__()
        self._display, self._stderr = display, stderr
        self._kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not self._display.is_open:
            self._stderr.emit(record)
            return
        self._display.note(record.getMessage())
        if record.levelno >= logging.ERROR:
            self._kept = [*self._kept[-20:], record]

    def close(self) -> None:
        for record in self._kept:
            self._stderr.emit(record)
        super().close()


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
    )


def _log_format() -> str:
    """The journal has the time already."""
    return "%(levelname)s %(message)s" if paths.under_journal() else "%(asctime)s %(levelname)s %(message)s"
