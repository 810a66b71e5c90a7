"""`listener run`: the daemon in the foreground, with a live display on a terminal."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listener import config as configuration
from listener.base.schema import changed
from listener.cli import common, demo, options, save_thresholds
from listener.cli.common import Setup
from listener.config import Config, Part
from listener.daemon import logs
from listener.daemon.saved_controls import path_for
from listener.daemon.service import Service
from listener.daemon.signals import Capture
from listener.errors import ConfigError, SourceError
from listener.messages import Hello
from listener.pipeline.bundle import ASSETS
from listener.pipeline.classifier import Classifier
from listener.routing.sink import BaseSink
from listener.sources.base import BaseSource
from listener.sources.fallback import Fallback

if TYPE_CHECKING:
    from listener.tui.display import LiveDisplay

log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--source", metavar="KIND", help="Listen to this, not to the configured sources: microphone, stdin or file."
)
@options.device
@click.option("--backend", type=click.Choice(["sounddevice", "pyaudio"]), help="The library that opens the microphone.")
@click.option("--path", metavar="FILE", help="Listen to this recording, as fast as possible.")
@click.option("--format", metavar="FORMAT", help="The sample format of --source stdin: auto, wav, s16le ...")
@click.option("--rate", type=int, metavar="HZ", help="The sample rate to ask for, or that of stdin.")
@click.option("--channels", type=int, metavar="N", help="The channels to ask for, or those of stdin; mixed to one.")
@click.option("--wait", is_flag=True, help="Wait for a missing microphone, and for sinks that cannot be opened yet.")
@click.option("--or-demo", is_flag=True, help="Play the demo recording if there is no microphone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option("--plain", is_flag=True, help="Print lines of text, without a live display.")
@options.config
@click.pass_obj
def command(
    capture: Capture,
    /,
    *,
    config: Path | None,
    overrides: Sequence[str],
    source: str | None,
    wait: bool,
    or_demo: bool,
    as_json: bool,
    plain: bool,
    **settings: Any,
) -> int:
    """Listen to the microphone, or to what the configuration names, and report events.

    On a terminal it shows a live display. It ends when every source has ended, or by a signal.
    """
    if wait and or_demo:
        raise click.UsageError("--wait and --or-demo exclude each other")
    table = common.source_table(source, **settings)

    def read() -> Setup:
        setup = common.read(config, overrides, table)
        return replace(setup, config=_wired(setup.config, wait=wait, as_json=as_json))

    def quit() -> None:
        service.daemon.stop()

    setup = read()
    logs.set_up(setup.config.daemon.log_level)
    displays: list[LiveDisplay] = []
    make_sink = partial(_sink, plain=plain, quit=quit, displays=displays)
    sources = _sources(setup.config, or_demo=or_demo)
    service = _service(setup, sources, make_sink, lambda: read().config, wait=wait, saves_controls=not table)
    capture.deliver_to(service.daemon.stop, service.reload)
    _run(service)
    played_demo = any(isinstance(each, Fallback) and each.is_substituted for each in sources)
    if played_demo and sys.stdout.isatty() and not as_json:
        print(demo.farewell(event for display in displays for event in display.scene.events.values()), end="")
    return 0 if service.daemon.lossless else 1  # the log has reported the losses


def _service(
    setup: Setup,
    sources: Sequence[BaseSource],
    make_sink: Callable[[Part, Hello], BaseSink],
    read: Callable[[], Config],
    *,
    wait: bool,
    saves_controls: bool,
) -> Service:
    config = setup.config
    for problem in (*configuration.mismatches(config, setup.bundle), *configuration.deprecations(config)):
        log.warning("%s", problem)
    classifier = Classifier(setup.bundle, config.model.providers)
    log.info("model %s on %s", setup.bundle.name, classifier.provider)
    saved = _saved_controls(config) if saves_controls else None
    with configuration.located(config.path):
        return Service(
            config, setup.bundle, classifier, sources, make_sink=make_sink, read=read, patient=wait, saved=saved
        )


def _run(service: Service) -> None:
    try:
        service.run()
    except SourceError as err:
        if service.has_heard:
            raise
        # No audio ever came: the configuration names something that does not exist.
        raise ConfigError(err.message, code=err.code, remedy=err.remedy) from err


def _saved_controls(config: Config) -> Path | None:
    """The file of the user's controls. A run with a source of its own on the command line has none."""
    try:
        return path_for(config.path)
    except ConfigError:  # no home
        return None


def _wired(config: Config, *, wait: bool, as_json: bool) -> Config:
    """The configuration with --wait and --json worked in."""
    sources, sinks = config.sources, config.sinks
    if wait:
        sources = tuple(_changed(part, wait=True) if hasattr(part.config, "wait") else part for part in sources)
    if as_json:
        others = [part for part in sinks if part.kind != "console"]
        console = configuration.part("sink", {"kind": "console", "json": True})
        sinks = (console, *others)
    return replace(config, sources=sources, sinks=sinks)


def _changed(part: Part, **changes: Any) -> Part:
    return replace(part, config=changed(part.config, **changes))


def _sources(config: Config, *, or_demo: bool) -> list[BaseSource]:
    with configuration.located(config.path):
        return [_source(part, or_demo=or_demo) for part in config.sources]


def _source(part: Part, *, or_demo: bool) -> BaseSource:
    source: BaseSource = part.factory(part.config)
    if not or_demo or part.kind != "microphone":
        return source
    recording = ASSETS / "demo.ogg"
    demo = configuration.part("source", {"kind": "file", "name": "demo", "path": str(recording), "realtime": True})
    return Fallback(source, demo.factory(demo.config), "there is no microphone: playing the demo recording")


def _sink(
    part: Part, hello: Hello, *, plain: bool, quit: Callable[[], None], displays: list["LiveDisplay"]
) -> BaseSink:
    if part.kind == "console" and not part.config.json and not plain and sys.stdout.isatty():
        from listener.tui.canvas import Canvas
        from listener.tui.display import LiveDisplay

        canvas = Canvas()
        if canvas.usable:
            display = LiveDisplay(hello, canvas=canvas, save=save_thresholds.by_daemon(), quit=quit)
            logs.show_on(display)
            displays.append(display)
            return display
    sink: BaseSink = part.factory(part.config, hello)
    return sink
