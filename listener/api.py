"""`listen`: the events of a recording, an array or the microphone, for Python programs."""

import logging
import os
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from listener import config as configuration
from listener import messages
from listener.base import paths
from listener.config import Config
from listener.daemon.build import build_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.stream import Stream
from listener.errors import SourceError
from listener.messages import Event
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import frames_of
from listener.pipeline.loop import Pipeline
from listener.pipeline.values import Block
from listener.routing.channel import Channel
from listener.routing.sink import BaseSink
from listener.routing.sink_worker import QUEUE_EVENTS, SinkBinding
from listener.sources.pcm import MAX_RATE, MIN_RATE, from_floats
from listener.sources.recording import BLOCK_S, read_blocks

log = logging.getLogger(__name__)

MOST_CHANNELS = 64  # more channels mean that the array is transposed
FULL_SCALE_AT_MOST = 8.0  # floats are in -1..1; a mix may exceed that a little

SAMPLES_REMEDY = "Give floats in -1..1, or int16."
RATE_REMEDY = f"Give the sample rate in Hz, a whole number from {MIN_RATE} to {MAX_RATE}."

Events = Generator[Event, None, None]


def listen(
    audio: str | os.PathLike[str] | ArrayLike | None = None,
    rate: float | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    whole: bool | None = None,
) -> Events:
    """Yield the events of `audio`, each as soon as it is known.

    A live call opens the sources when the first event is requested, and closes them with `close()`, which
    `contextlib.closing` calls. Up to 512 events wait for a slow caller; then the oldest are lost, and the
    log says how many.

    Args:
        audio: The path of a recording, or samples of shape (n,) or (n, channels) as floats in -1..1 or int16. None
            listens to the sources of the configuration, by default to the default microphone.
        rate: Sample rate of the samples in Hz.
        config: Configuration file. By default the one that `listener run` uses. Its sinks are not run.
        overrides: Settings that override the file, for example `["gate.kind=bands"]`.
        whole: True yields one event per sound when it has ended, with phase None. False yields lines with the phases
            start, update and end. By default recordings and samples yield whole events, live sources lines.

    Returns:
        A generator of `listener.messages.Event`.

    Raises:
        ListenerError: The audio, the configuration or the model cannot be used. Later problems of a live source are
            raised by the generator.
    """
    blocks = _blocks(audio, rate)  # first, so that a wrong path is reported without loading a model
    settings = configuration.load(Path(config) if config else configuration.find(), overrides)
    events = _events(audio, blocks, settings)
    return _whole(events) if (blocks is not None if whole is None else whole) else events


def _events(
    audio: str | os.PathLike[str] | ArrayLike | None, blocks: Iterator[Block] | None, settings: Config
) -> Events:
    bundle = bundles.load(bundles.find(settings.model.bundle))
    with configuration.located(settings.path):
        configuration.rules(settings, bundle)
    classifier = Classifier(bundle, settings.model.providers)
    if blocks is None:
        return _live(settings, bundle, classifier)
    name = messages.printable(audio) if isinstance(audio, str | os.PathLike) else "samples"
    return _recorded(blocks, build_pipeline(settings, bundle, classifier.stream(), name), bundle)


def _blocks(audio: str | os.PathLike[str] | ArrayLike | None, rate: float | None) -> Iterator[Block] | None:
    """Return the blocks of a recording or of samples. The first is read now, so that errors show. None if live."""
    if rate is not None and (audio is None or isinstance(audio, str | os.PathLike)):
        raise SourceError("rate is only valid for samples", code="api-rate-unexpected", remedy="Leave rate out.")
    if audio is None:
        return None
    if isinstance(audio, str | os.PathLike):
        blocks = read_blocks(paths.expanded(audio))
        return chain([next(blocks)], blocks)
    return _cut(_checked(_array(audio)), _checked_rate(rate))


def _array(audio: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(audio)
    except (TypeError, ValueError) as err:
        raise SourceError(
            f"the samples are not an array ({err})", code="api-samples-type", remedy=SAMPLES_REMEDY
        ) from err


def _checked(samples: NDArray[Any]) -> NDArray[Any]:
    """Return the samples as (n, channels)."""
    if samples.dtype != np.int16 and not np.issubdtype(samples.dtype, np.floating):
        raise SourceError(f"the samples are {samples.dtype}", code="api-samples-type", remedy=SAMPLES_REMEDY)
    if samples.ndim not in (1, 2) or not samples.size:
        raise SourceError(
            f"the samples have the shape {samples.shape}",
            code="api-samples-shape",
            remedy="Give a non-empty array of shape (n,) or (n, channels).",
        )
    columns = samples.reshape(len(samples), -1)
    if columns.shape[1] > MOST_CHANNELS:
        raise SourceError(
            f"the samples of shape {samples.shape} have {columns.shape[1]} channels",
            code="api-samples-shape",
            remedy="Transpose the array: samples.T.",
        )
    if samples.dtype != np.int16:
        loudest = max(float(samples.max()), -float(samples.min()))
        if not np.isfinite(loudest):
            raise SourceError(
                "the samples contain NaN or infinity",
                code="api-samples-not-finite",
                remedy="Replace them, for example with numpy.nan_to_num.",
            )
        if loudest > FULL_SCALE_AT_MOST:
            raise SourceError(
                f"the samples reach {loudest:g}",
                code="api-samples-scale",
                remedy="Divide by full scale, so that they are in -1..1, or give int16.",
            )
    return columns


def _checked_rate(rate: float | None) -> int:
    if rate is None:
        raise SourceError(
            "rate is missing", code="api-rate-missing", remedy="Give the sample rate: listen(samples, rate=16000)."
        )
    if not isinstance(rate, int | float | np.number):
        raise SourceError(f"rate {rate!r} is not a number", code="api-rate-invalid", remedy=RATE_REMEDY)
    if not MIN_RATE <= rate <= MAX_RATE or rate != int(rate):
        raise SourceError(f"rate {rate:g} is not a sample rate", code="api-rate-invalid", remedy=RATE_REMEDY)
    return int(rate)


def _cut(columns: NDArray[Any], rate: int) -> Iterator[Block]:
    size = round(rate * BLOCK_S)
    for start in range(0, len(columns), size):
        some = columns[start : start + size]
        yield Block(start, rate, some if some.dtype == np.int16 else from_floats(some.astype(np.float32)))


def _recorded(blocks: Iterable[Block], loop: Pipeline, bundle: Bundle) -> Events:
    """Run the loop in the thread of the caller."""
    yield from loop.events(frames_of(blocks, bundle.features.sample_rate))


def _whole(events: Events) -> Events:
    """Yield whole events in the order in which they end."""
    try:
        for event in events:
            if event.phase == "end":
                yield messages.whole(event)
    finally:
        events.close()  # now, not when it is garbage collected: it owns threads


def _live(config: Config, bundle: Bundle, classifier: Classifier) -> Events:
    """Prepare the streams of the configured sources. Nothing is opened yet."""
    daemon = Daemon(tell=lambda *_: False)  # only the calling program may notify systemd
    with configuration.located(config.path):
        sources = [part.factory(part.config) for part in config.sources]
    streams = [
        Stream(source, build_pipeline(config, bundle, classifier.stream(), source.name), daemon.publish, daemon.ended)
        for source in sources
    ]
    return _run_live(daemon, streams)


def _run_live(daemon: Daemon, streams: Sequence[Stream]) -> Events:
    """Run a daemon with one sink and yield its events, until the streams end or the caller closes the generator."""
    sink, errors = _Handover(), list[BaseException]()

    def run() -> None:
        try:
            daemon.run(streams, [SinkBinding("listen", sink)])
        except BaseException as err:  # noqa: BLE001 - raised again in the thread of the caller
            errors.append(err)
            sink.close()

    thread = threading.Thread(target=run, name="listen", daemon=True)
    thread.start()
    try:
        yield from sink.events
        thread.join()
    finally:
        sink.events.close(discard=True)  # first, because it may be waiting for room
        daemon.stop()
        thread.join()
    lost = daemon.status().sinks.get("listen", 0)
    if lost:
        log.warning("listen: %d events were lost because they were not read fast enough", lost)
    if errors:
        raise errors[0]


class _Handover(BaseSink):
    """A sink that queues events for the caller."""

    def __init__(self) -> None:
        self.events: Channel[Event] = Channel(QUEUE_EVENTS, "block")

    def emit(self, event: Event) -> None:
        self.events.put(event)

    def close(self) -> None:
        self.events.close()
