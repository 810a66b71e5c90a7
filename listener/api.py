"""`listen`: the events of a recording, an array or the microphone, for a program that wants them."""

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

MOST_CHANNELS = 64  # more are the samples of an array that lies the other way round
FULL_SCALE_AT_MOST = 8.0  # floats are in -1..1, a mix may be somewhat over; what is far over has another scale

Events = Generator[Event, None, None]


def listen(
    audio: str | os.PathLike[str] | ArrayLike | None = None,
    rate: float | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    whole: bool | None = None,
) -> Events:
    """The events of `audio`, as soon as each is known; they end where it ends.

    audio: the path of a recording; or samples (n,) or (n, channels), floats in -1..1 or int16, with their `rate`
        in Hz; or, left out, what the sources of the configuration hear, the default microphone if it names none.
    config: the configuration file; left out: the one that `listener run` would use. Its sinks are not run.
    overrides: settings on top of it, as `["gate.kind=bands"]`.
    whole: True: one event a sound, when it has ended, with phase None. False: each of its lines, whose phase is
        start, update or end. Left out: whole for recordings and samples, lines for what is live.

    Live, it begins to listen when the first event is asked for, and ends with `close()`, which `contextlib.closing`
    calls when its block is left. A program that is slower than 512 waiting events loses the oldest, and the log
    says so. Whatever is wrong, now or while it listens, is a `listener.errors.ListenerError`.
    """
    if rate is not None and (audio is None or isinstance(audio, str | os.PathLike)):
        raise SourceError("rate: goes with samples alone; a recording and a source say theirs themselves")
    blocks = _blocks(audio, rate)  # first: a wrong path or array is found without loading a model
    settings = configuration.load(Path(config) if config else configuration.find(), overrides)
    bundle = bundles.load(bundles.find(settings.model.bundle))
    with configuration.located(settings.path):
        configuration.rules(settings, bundle)
    classifier = Classifier(bundle, settings.model.providers)
    if blocks is None:
        events = _live(settings, bundle, classifier)
    else:
        name = messages.printable(audio) if isinstance(audio, str | os.PathLike) else "samples"
        events = _recorded(blocks, build_pipeline(settings, bundle, classifier.stream(), name), bundle)
    return _whole(events) if (blocks is not None if whole is None else whole) else events


def _blocks(audio: str | os.PathLike[str] | ArrayLike | None, rate: float | None) -> Iterator[Block] | None:
    """The blocks of a recording or of samples, the first one read already so that faults show; None: live."""
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
        raise SourceError(f"samples: are no array ({err}); give floats in -1..1, or int16") from err


def _checked(samples: NDArray[Any]) -> NDArray[Any]:
    """The samples as (n, channels). SourceError where they are no audio."""
    if samples.dtype != np.int16 and not np.issubdtype(samples.dtype, np.floating):
        raise SourceError(f"samples: are {samples.dtype}; give floats in -1..1, or int16")
    if samples.ndim not in (1, 2) or not samples.size:
        raise SourceError(f"samples: have the shape {samples.shape}; give (samples,) or (samples, channels), not empty")
    columns = samples.reshape(len(samples), -1)
    if columns.shape[1] > MOST_CHANNELS:
        raise SourceError(f"samples: {samples.shape} are {columns.shape[1]} channels; did you mean samples.T?")
    if samples.dtype != np.int16:
        loudest = max(float(samples.max()), -float(samples.min()))
        if not np.isfinite(loudest):
            raise SourceError("samples: hold NaN or infinity, which is no sound; numpy.nan_to_num makes it silence")
        if loudest > FULL_SCALE_AT_MOST:
            raise SourceError(f"samples: reach {loudest:g}; floats are in -1..1: divide by full scale, or give int16")
    return columns


def _checked_rate(rate: float | None) -> int:
    if rate is None:
        raise SourceError("rate: is missing; samples do not say it themselves, as in listen(samples, rate=16000)")
    if not isinstance(rate, int | float | np.number):
        raise SourceError(f"rate: {rate!r} is no number; give the sample rate in Hz")
    if not MIN_RATE <= rate <= MAX_RATE or rate != int(rate):
        raise SourceError(f"rate: {rate:g} is no sample rate; give a whole number of {MIN_RATE} to {MAX_RATE} Hz")
    return int(rate)


def _cut(columns: NDArray[Any], rate: int) -> Iterator[Block]:
    size = round(rate * BLOCK_S)
    for start in range(0, len(columns), size):
        some = columns[start : start + size]
        yield Block(start, rate, some if some.dtype == np.int16 else from_floats(some.astype(np.float32)))


def _recorded(blocks: Iterable[Block], loop: Pipeline, bundle: Bundle) -> Events:
    """The loop itself, in the caller's thread."""
    yield from loop.events(frames_of(blocks, bundle.features.sample_rate))


def _whole(events: Events) -> Events:
    """One event a sound, in the order in which they ended."""
    try:
        for event in events:
            if event.phase == "end":
                yield messages.whole(event)
    finally:
        events.close()  # now, not when the garbage collector finds it: threads hang on it


def _live(config: Config, bundle: Bundle, classifier: Classifier) -> Events:
    """What the sources of the configuration hear; nothing is opened yet."""
    daemon = Daemon(tell=lambda *_: False)  # systemd is for the program that we are a part of to talk to
    with configuration.located(config.path):
        sources = [part.factory(part.config) for part in config.sources]
    streams = [
        Stream(source, build_pipeline(config, bundle, classifier.stream(), source.name), daemon.publish, daemon.ended)
        for source in sources
    ]
    return _heard(daemon, streams)


def _heard(daemon: Daemon, streams: Sequence[Stream]) -> Events:
    """What a daemon with one sink hears, until its streams end or the caller has enough."""
    sink, errors = _Handover(), list[BaseException]()

    def run() -> None:
        try:
            daemon.run(streams, [SinkBinding("listen", sink)])
        except BaseException as err:  # noqa: BLE001 - whatever it is, it is raised where the caller waits
            errors.append(err)
            sink.close()

    thread = threading.Thread(target=run, name="listen", daemon=True)
    thread.start()
    try:
        yield from sink.events
        thread.join()
    finally:
        sink.events.close(discard=True)  # first: it may be waiting for room
        daemon.stop()
        thread.join()
    lost = daemon.status().sinks.get("listen", 0)
    if lost:
        log.warning("listen: %d events were lost: whoever takes them is too slow", lost)
    if errors:
        raise errors[0]


class _Handover(BaseSink):
    """A sink whose events wait for the caller to take them."""

    def __init__(self) -> None:
        self.events: Channel[Event] = Channel(QUEUE_EVENTS, "block")

    def emit(self, event: Event) -> None:
        self.events.put(event)

    def close(self) -> None:
        self.events.close()
