"""`listener classify`: the sounds in audio files, as events with times or as one score per label."""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import click
import numpy as np

from listener import messages
from listener.cli import common, options, tables
from listener.cli.common import Setup
from listener.cli.reporting import report_error
from listener.daemon.build import build_pipeline
from listener.errors import SourceError
from listener.messages import Event
from listener.pipeline.classifier import Classifier
from listener.pipeline.clipper import ClipConfig, Clipper
from listener.pipeline.features import LogMel
from listener.pipeline.framer import frames_of
from listener.pipeline.gates import OpenGate
from listener.pipeline.values import Block, Frames
from listener.sources.recording import read_blocks


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(readable=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per event.")
@click.option(
    "--scores", "as_scores", is_flag=True, help="Print one JSON line per file: the mean score of every label."
)
@options.config
def command(files: Sequence[str], as_json: bool, as_scores: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """Name the sounds in audio files.

    Reads every format of libsndfile: WAV, FLAC, Ogg, MP3 and more. The exit status is 1 if a file could not be read;
    the others are classified all the same.
    """
    setup = common.read(config, overrides)
    classifier = Classifier(setup.bundle, setup.config.model.providers)
    status = 0
    for path in files:
        name, errors = messages.printable(path), list[SourceError]()
        try:
            if as_scores:
                print(json.dumps({"file": name, "scores": scores(path, setup, classifier, errors)}), flush=True)
            else:
                _print_events(name, whole_events(path, setup, classifier, errors), as_json=as_json)
        except SourceError as err:
            errors.append(err)
        for error in errors:
            status = report_error(error)
    return status


def whole_events(path: str, setup: Setup, classifier: Classifier, errors: list[SourceError]) -> list[Event]:
    """The events of a file in the order of detection, each as one message without a phase."""
    loop = build_pipeline(setup.config, setup.bundle, classifier.stream(), messages.printable(path))
    latest = {event.id: event for event in loop.events(_frames(path, setup, errors))}
    return sorted((messages.whole(event) for event in latest.values()), key=lambda event: event.detected_s)


def scores(path: str, setup: Setup, classifier: Classifier, errors: list[SourceError]) -> dict[str, float]:
    """The mean probability of every label over the file's clips, the gate bypassed.

    One whole clip per hop; a file shorter than a clip is one clip.
    """
    spec = setup.bundle.features
    window_s = spec.clip_samples / spec.sample_rate
    clipper = Clipper(spec, ClipConfig(hop_s=setup.config.clips.hop_s, first_s=window_s), hang_over_s=0)
    featurise, classify = LogMel(spec, setup.bundle.filters), classifier.stream()
    gate = OpenGate()
    pushed = (clipper.push(frames, gate(frames), held=lambda: False) for frames in _frames(path, setup, errors))
    total, clips = np.zeros(len(setup.bundle.labels)), 0
    for clip in chain(chain.from_iterable(pushed), clipper.finish()):
        total += classify(featurise(clip)).scores
        clips += 1
    mean = (total / clips).tolist()
    return {label: round(score, 5) for label, score in zip(setup.bundle.labels, mean, strict=True)}


def _frames(path: str, setup: Setup, errors: list[SourceError]) -> Iterator[Frames]:
    """Yield the frames of a file. An error after the first audio goes to `errors`, so that it is heard up to there."""

    def readable() -> Iterator[Block]:
        block = None
        try:
            for block in read_blocks(Path(path)):
                yield block
        except SourceError as err:
            if block is None:
                raise
            errors.append(err)

    return frames_of(readable(), setup.bundle.features.sample_rate)


def _print_events(path: str, events: list[Event], *, as_json: bool) -> None:
    if as_json:
        for event in events:
            sys.stdout.write(messages.encode(event).decode())
        sys.stdout.flush()
        return
    if not events:
        print(f"{path}: no events")
        return
    tables.show(("start s", "end s", "label", "peak", "level dBFS"), map(_row, events), title=path)


def _row(event: Event) -> tuple[str, ...]:
    end = "" if event.end_s is None else f"{event.end_s:.2f}"
    return f"{event.start_s:.2f}", end, event.label, f"{event.peak:.2f}", f"{event.level_dbfs:.0f}"
