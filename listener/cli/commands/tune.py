"""`listener tune`: listen to the room for some minutes, and propose settings for it."""

import shutil
import sys
import time
from collections.abc import Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any

import click

from listener import config as configuration
from listener.base.label_names import resolve_label
from listener.base.schema import changed, suggestion
from listener.base.text import duration
from listener.cli import common, options
from listener.cli.common import Setup
from listener.config import Config, Part
from listener.daemon.meter import Meter
from listener.daemon.signals import Capture
from listener.errors import ConfigError, SourceError
from listener.messages import Level
from listener.pipeline.classifier import Classifier
from listener.sources.base import BaseSource
from listener.tuning.calibration import Calibration, calibrate
from listener.tuning.proposals import Advice, advise

MINUTES = 3.0
LINE_S, REDRAW_S = 10.0, 0.2  # how often the meter is shown: as a line in a pipe, in place on a terminal
ALARMS = "alarm"  # the group whose labels are never made harder to hear


@click.command()
@click.option(
    "--minutes", type=float, metavar="N", help=f"How long to listen. Default: {MINUTES:g}; a recording to its end."
)
@click.option("--write", is_flag=True, help="Write the proposals into the configuration.")
@click.option(
    "--keep",
    multiple=True,
    type=options.Name("label"),
    help="This label really sounded: leave its threshold alone. May be repeated.",
)
@click.option(
    "--name", type=options.Name("source"), metavar="NAME", help="The source, if the configuration has several."
)
@click.option(
    "--source", metavar="KIND", help="Listen to this, not to the configuration's sources: microphone or file."
)
@options.device
@click.option("--path", metavar="FILE", help="The recording of --source file.")
@options.config
@click.pass_obj
def command(
    capture: Capture,
    /,
    *,
    config: Path | None,
    overrides: Sequence[str],
    minutes: float | None,
    write: bool,
    keep: Sequence[str],
    name: str | None,
    source: str | None,
    **settings: Any,
) -> int:
    """Listen to the room for some minutes, and propose settings for it.

    Leave the room as it is when there is nothing to report.
    """
    common.silence()
    if write and overrides:
        raise ConfigError(
            "--write excludes --set: the measurement holds for settings that the file does not have",
            code="tune-options",
            remedy="Write those settings into the file first, or leave one of the two options out.",
        )
    setup = common.read(config, overrides, common.source_table(source, **settings))
    part = _chosen(setup.config, name)
    seconds = _seconds(minutes, part)
    keep = [resolve_label(label, setup.bundle.labels) for label in keep]
    found = _listen(setup, part, seconds, capture)
    if found is None:
        return 0  # the signal says the rest
    result = _advice(setup, found, keep)
    _print(result, found)
    if result.proposals:
        _write_or_say(result, setup.config.path, wanted=write, interrupted=bool(capture.caught))
    return 0


def _listen(setup: Setup, part: Part, seconds: float, capture: Capture) -> Calibration | None:
    """Measure the source; None if a signal came before any audio."""
    source = _source(part)
    classifier = Classifier(setup.bundle, setup.config.model.providers)
    capture.deliver_to(source.close)
    how_long = f"for {duration(seconds)}" if seconds < inf else "to its end"
    print(f"listening to {part.config.name} {how_long}: leave the room as it is when there is nothing to report")
    try:
        return _surveyed(setup, classifier, source, seconds, of_microphone=part.kind == "microphone")
    except SourceError:
        if not capture.caught:
            raise
        print("interrupted before any audio came")
        return None


def _chosen(config: Config, name: str | None) -> Part:
    names = [part.config.name for part in config.sources]
    if name is None and len(names) > 1:
        raise ConfigError(
            f"there are several sources: {', '.join(names)}", code="tune-source", remedy="Choose one with --name."
        )
    if name is not None and name not in names:
        raise ConfigError(f"--name: there is no source {name!r}", code="source-unknown", remedy=suggestion(name, names))
    return config.sources[names.index(name) if name else 0]


def _seconds(minutes: float | None, part: Part) -> float:
    if minutes is None:
        return inf if part.kind == "file" else 60 * MINUTES
    if not (isfinite(minutes) and minutes > 0):
        raise ConfigError(
            f"--minutes {minutes:g}: must be above 0",
            code="cli-minutes",
            remedy="Write it as --minutes 3.",
        )
    return 60 * minutes


def _source(part: Part) -> BaseSource:
    """The source, without waiting for it; a recording once, as fast as possible."""
    once = {"wait": False, "loop": False, "realtime": False}
    changes = {key: value for key, value in once.items() if hasattr(part.config, key)}
    source: BaseSource = part.factory(changed(part.config, **changes))
    return source


def _surveyed(
    setup: Setup, classifier: Classifier, source: BaseSource, seconds: float, *, of_microphone: bool
) -> Calibration:
    screen = _Progress(seconds)
    try:
        return calibrate(setup.config, setup.bundle, classifier.stream(), source, seconds=seconds, progress=screen.show)
    except SourceError as err:
        if not of_microphone:
            raise
        hint = "If the running daemon has the microphone, stop it meanwhile, or record a file and use --path."
        raise SourceError(err.message, code=err.code, remedy=f"{err.remedy} {hint}".strip()) from err
    finally:
        screen.end()


def _advice(setup: Setup, found: Calibration, kept: Sequence[str]) -> Advice:
    config, bundle = setup.config, setup.bundle
    alarms = {*bundle.groups.get(ALARMS, ()), *config.groups.get(ALARMS, ())}
    rules, names = configuration.rules(config, bundle), configuration.names(config)
    return advise(found, config.gate, rules, names=names, alarms=alarms, kept=list(kept))


class _Progress:
    """The meter while it listens: in place on a terminal, otherwise a line now and then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._in_place = sys.stdout.isatty()
        self._next_s = LINE_S
        self._drawn = 0.0

    def show(self, meter: Meter, heard_s: float) -> None:
        if self._in_place:
            if time.monotonic() - self._drawn > REDRAW_S:
                self._drawn = time.monotonic()
                width = shutil.get_terminal_size().columns - 1
                sys.stdout.write(f"\r\x1b[K{self._line(meter, heard_s)[:width]}")
                sys.stdout.flush()
        elif heard_s >= self._next_s:
            self._next_s += LINE_S
            print(self._line(meter, heard_s), flush=True)

    def end(self) -> None:
        if self._in_place:
            sys.stdout.write("\r\x1b[K")

    def _line(self, meter: Meter, heard_s: float) -> str:
        level: Level = meter.level()
        of = f" of {self._seconds:.0f}" if self._seconds < inf else ""
        floor = "" if level.floor_dbfs is None else f", floor {level.floor_dbfs:.0f}"
        top = "  ".join(f"{label} {score:.2f}" for label, score in level.top.items())
        duty = f"gate open {100 * meter.gate_duty:.0f} %"
        return f"{heard_s:4.0f}{of} s  {level.level_dbfs:.0f} dBFS{floor}  {duty}  {top}".rstrip()


def _print(result: Advice, found: Calibration) -> None:
    room = found.room
    print(
        f"\nlistened for {duration(room.seconds)}: median {room.usual_dbfs:.0f} dBFS, loudest {room.loudest_dbfs:.0f}"
    )
    for label, named in sorted(found.named.items(), key=lambda each: -each[1].peak):
        print(f"reported: {label}, {named.events} x, peak {named.peak:.3g}, {duration(named.lasted_s)} in all")
    for remark in result.remarks:
        print(f"- {remark}")
    print("\nproposed:" if result.proposals else "\nnothing to change")
    for proposal in result.proposals:
        print(f"  {proposal}  (now {proposal.now})\n      {proposal.reason}")


def _write_or_say(result: Advice, path: Path | None, *, wanted: bool, interrupted: bool) -> None:
    path = path or configuration.user_file()
    if not wanted:
        print(f"\nto write it into {path}: listener tune --write")
    elif interrupted:
        print(f"\ninterrupted: {path} is unchanged")
    else:
        from listener.tuning import rewrite

        backup = rewrite.write(path, result.proposals)
        kept = f"; the old one is {backup}" if backup else ""
        print(f"\nwrote {path}{kept}. A running daemon uses it after the next reload or restart")
