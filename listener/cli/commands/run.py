"""`listener run`: the daemon, in the foreground; a live display where there is a terminal."""

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from listener import config as configuration
from listener.base.schema import changed
from listener.cli import common, save_thresholds
from listener.config import Config, Part
from listener.daemon import logs
from listener.daemon.service import Service
from listener.daemon.signals import Capture
from listener.errors import ConfigError, SourceError
from listener.messages import Hello
from listener.pipeline.bundle import ASSETS
from listener.pipeline.classifier import Classifier
from listener.routing.sink_worker import Sink
from listener.sources.base import BaseSource

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    source = parser.add_argument_group("where sound comes from, instead of the configuration's sources")
    source.add_argument("--source", metavar="KIND", help="microphone, stdin or file")
    source.add_argument(
        "--device", metavar="D", help="identity, name, a unique part of it, or index; see `listener devices`"
    )
    source.add_argument("--backend", choices=("sounddevice", "pyaudio"), help="the library that opens the microphone")
    source.add_argument("--path", metavar="FILE", help="the recording of --source file, as fast as it goes")
    source.add_argument("--format", help="the sample format of --source stdin: auto, wav, s16le …")
    source.add_argument("--rate", type=int, metavar="HZ", help="the sample rate to ask for, or that stdin has")
    source.add_argument("--channels", type=int, metavar="N", help="to ask for, or that stdin has; mixed to one")
    absent = parser.add_mutually_exclusive_group()
    absent.add_argument(
        "--wait",
        action="store_true",
        help="wait for a microphone that is not there, and for sinks but the socket that cannot be opened",
    )
    absent.add_argument("--or-demo", action="store_true", help="where there is no microphone, play the demo recording")
    output = parser.add_argument_group("what is written to the terminal")
    output.add_argument("--json", action="store_true", help="JSON lines")
    output.add_argument("--plain", action="store_true", help="lines of text, no live display")
    common.add_config_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Listen until every source has ended or a signal comes."""
    table = common.source_table(arguments)
    setup = common.read(arguments, table)
    config = _wired(setup.config, arguments)
    logs.set_up(config.daemon.log_level)

    def read() -> Config:
        return _wired(common.read(arguments, table).config, arguments)

    def quit() -> None:
        service.daemon.stop()

    for stranger in configuration.strangers(config, setup.bundle):
        log.warning("%s", stranger)
    classifier = Classifier(setup.bundle, config.model.providers)
    log.info("model %s on %s", setup.bundle.name, classifier.provider)
    with configuration.located(config.path):
        sources = [_source(part, or_demo=arguments.or_demo) for part in config.sources]
        make_sink = partial(_sink, plain=arguments.plain, quit=quit)
        service: Service = Service(
            config, setup.bundle, classifier, sources, make_sink=make_sink, read=read, patient=arguments.wait
        )

    capture.deliver_to(service.daemon.stop, service.reload)
    try:
        service.run()
    except SourceError as err:
        if service.has_heard:
            raise
        raise ConfigError(str(err)) from err  # nothing was ever heard: what was asked for is not to be had
    return 0 if service.daemon.lossless else 1  # what was lost, the log has said


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


def _source(part: Part, *, or_demo: bool) -> BaseSource:
    source: BaseSource = part.factory(part.config)
    if not or_demo or part.kind != "microphone":
        return source
    from listener.sources.fallback import Fallback

    recording = ASSETS / "demo.ogg"
    demo = configuration.part("source", {"kind": "file", "name": "demo", "path": str(recording), "realtime": True})
    return Fallback(source, demo.factory(demo.config), "there is no microphone: playing the demo recording")


def _sink(part: Part, greeting: Hello, *, plain: bool, quit: Callable[[], None]) -> Sink:
    if part.kind == "console" and not part.config.json and not plain and sys.stdout.isatty():
        from listener.tui.canvas import Canvas
        from listener.tui.display import Display

        canvas = Canvas()
        if canvas.usable:
            display = Display(greeting, canvas=canvas, keep=save_thresholds.by_daemon(), quit=quit)
            logs.show_on(display)
            return display
    sink: Sink = part.factory(part.config, greeting)
    return sink
