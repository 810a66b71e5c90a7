"""`listener tune`: listens to the room for some minutes, and proposes settings for it."""

import argparse
import shutil
import sys
import time
from math import inf, isfinite
from pathlib import Path

from listener import config as configuration
from listener.base.schema import changed, nearest
from listener.base.text import duration
from listener.cli import common
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


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "--minutes", type=float, metavar="N", help=f"listen for so long; default: {MINUTES:g}, a recording to its end"
    )
    parser.add_argument("--write", action="store_true", help="write what is proposed into the configuration")
    parser.add_argument(
        "--keep", action="append", default=[], metavar="LABEL", help="it really sounded: leave its threshold alone"
    )
    source = parser.add_argument_group("where sound comes from, instead of the configuration's sources")
    source.add_argument("--name", metavar="NAME", help="which of several sources of the configuration")
    source.add_argument("--source", metavar="KIND", help="microphone, stdin or file")
    source.add_argument(
        "--device", metavar="D", help="identity, name, a unique part of it, or index; see `listener devices`"
    )
    source.add_argument("--path", metavar="FILE", help="the recording of --source file")
    common.add_config_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Listen, and print what is proposed; write it where that is asked for."""
    common.silence()
    if arguments.write and arguments.set:
        raise ConfigError(
            "--write with --set: what is measured holds with settings that the file has not; "
            "write those into it first, or leave one of the two out"
        )
    setup = common.read(arguments, common.source_table(arguments))
    part = _chosen(setup.config, arguments.name)
    seconds = _seconds(arguments.minutes, part)
    _check_labels(arguments.keep, setup)
    source = _source(part)
    classifier = Classifier(setup.bundle, setup.config.model.providers)
    capture.deliver_to(source.close)
    how_long = f"for {duration(seconds)}" if seconds < inf else "to its end"
    print(f"listening to {part.config.name} {how_long}: leave the room as it is when nothing happens to be told of")
    try:
        found = _surveyed(setup, classifier, source, seconds, of_microphone=part.kind == "microphone")
    except SourceError:
        if not capture.caught:
            raise
        print("it was interrupted before anything was heard")
        return 0  # the signal says the rest
    said = _advice(setup, found, arguments.keep)
    _print(said, found)
    if said.proposals:
        _write_or_say(said, setup.config.path, wanted=arguments.write, interrupted=bool(capture.caught))
    return 0


def _chosen(config: Config, name: str | None) -> Part:
    names = [part.config.name for part in config.sources]
    if name is None and len(names) > 1:
        raise ConfigError(f"there are several sources; say which with --name: {', '.join(names)}")
    if name is not None and name not in names:
        raise ConfigError(f"--name: there is no source {name!r}{nearest(name, names)}")
    return config.sources[names.index(name) if name else 0]


def _seconds(minutes: float | None, part: Part) -> float:
    if minutes is None:
        return inf if part.kind == "file" else 60 * MINUTES
    if not (isfinite(minutes) and minutes > 0):
        raise ConfigError(f"--minutes {minutes:g}: give how long to listen, as --minutes 3")
    return 60 * minutes


def _check_labels(kept: list[str], setup: Setup) -> None:
    for label in kept:
        if label not in setup.bundle.labels:
            raise ConfigError(
                f"--keep: model {setup.bundle.name} has no label {label!r}{nearest(label, setup.bundle.labels)}"
            )


def _source(part: Part) -> BaseSource:
    """The source, which is not waited for; a recording once, as fast as it goes."""
    once = {"wait": False, "loop": False, "realtime": False}
    changes = {key: value for key, value in once.items() if hasattr(part.config, key)}
    source: BaseSource = part.factory(changed(part.config, **changes))
    return source


def _surveyed(
    setup: Setup, classifier: Classifier, source: BaseSource, seconds: float, *, of_microphone: bool
) -> Calibration:
    screen = _Progress(seconds)
    try:
        return calibrate(setup.config, setup.bundle, classifier, source, seconds=seconds, look=screen.show)
    except SourceError as err:
        if not of_microphone:
            raise
        hint = "if it is the running daemon that has the microphone, stop it meanwhile, or record a file and --path it"
        raise SourceError(f"{err}. {hint[0].upper()}{hint[1:]}") from err
    finally:
        screen.end()


def _advice(setup: Setup, found: Calibration, kept: list[str]) -> Advice:
    config, bundle = setup.config, setup.bundle
    alarms = {*bundle.groups.get(ALARMS, ()), *config.groups.get(ALARMS, ())}
    rules, names = configuration.rules(config, bundle), configuration.names(config)
    return advise(found, config.gate, rules, names=names, alarms=alarms, kept=kept)


class _Progress:
    """The meter while it listens: in place on a terminal, else a line now and then."""

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
        duty = meter.clipper.open_frames / max(meter.clipper.frames, 1)
        top = "  ".join(f"{label} {score:.2f}" for label, score in level.top.items())
        return f"{heard_s:4.0f}{of} s  {level.level_dbfs:.0f} dBFS{floor}  gate open {100 * duty:.0f} %  {top}".rstrip()


def _print(said: Advice, found: Calibration) -> None:
    room = found.room
    print(
        f"\nheard {duration(room.seconds)}: {room.usual_dbfs:.0f} dBFS in the middle, {room.loudest_dbfs:.0f} at most"
    )
    for label, named in sorted(found.named.items(), key=lambda each: -each[1].peak):
        print(f"reported: {label}, {named.events} x, peak {named.peak:.3g}, {duration(named.lasted_s)} in all")
    for remark in said.remarks:
        print(f"- {remark}")
    print("\nproposed:" if said.proposals else "\nnothing to change")
    for proposal in said.proposals:
        print(f"  {proposal}  (now {proposal.now})\n      {proposal.reason}")


def _write_or_say(said: Advice, path: Path | None, *, wanted: bool, interrupted: bool) -> None:
    path = path or configuration.of_user()
    if not wanted:
        print(f"\nto have it written into {path}: listener tune --write")
    elif interrupted:
        print(f"\nit was interrupted: {path} is left as it was")
    else:
        from listener.tuning import rewrite

        backup = rewrite.write(path, said.proposals)
        kept = f"; as it was: {backup}" if backup else ""
        print(f"\nwritten into {path}{kept}. A running daemon takes it at the next reload or restart")
