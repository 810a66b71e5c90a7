"""How a room sounds for a while: its level, and how the gate behaves in it. Measured here, judged elsewhere."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from listener.daemon.signal_faults import LOUDEST, QUIETEST, rest
from listener.errors import SourceError
from listener.messages import SourceState
from listener.pipeline.framer import FRAMES_PER_S
from listener.pipeline.observer import Observer
from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Block, Flags, Floats, Frames, Gate
from listener.sources.base import BaseSource

SETTLING_S = 4.0  # a gate's floor begins far below any room and comes up to it meanwhile: see gates.py
LEAST_S = 0.5  # a room that was heard for less after that is the whole time, settling and all


@dataclass(frozen=True, slots=True)
class AmbientLevel:
    """What was measured in a while."""

    seconds: float
    levels_dbfs: Floats  # (n,), evenly spaced in time
    open: Flags  # (n,): whether the gate was open
    floor_dbfs: float | None = None  # what the gate takes for the room
    clipped: float = 0.0  # share of samples at full scale
    dead: float = 0.0  # share of the audio in which no channel moves
    channels_dbfs: tuple[float, ...] = ()  # root mean square of each channel

    @property
    def duty(self) -> float:
        """The share of time for which the gate was open."""
        return float(self.open.mean()) if len(self.open) else 0.0

    @property
    def openings(self) -> int:
        """How often the gate opened."""
        return int(np.count_nonzero(np.diff(self.open.astype(np.int8), prepend=0) > 0))

    @property
    def usual_dbfs(self) -> float:
        """The level in the middle of all: half of the time it was quieter."""
        return float(np.median(self.levels_dbfs)) if len(self.levels_dbfs) else SILENT_DBFS

    @property
    def loudest_dbfs(self) -> float:
        """Level of the loudest frame."""
        return float(self.levels_dbfs.max()) if len(self.levels_dbfs) else SILENT_DBFS


class AmbientMeter(Observer):
    """Measures the level of a room and how a gate behaves in it.

    Args:
        gate: The gate whose flags `on_frames` receives.
        hang_over_s: How long it stays open after an active frame.
    """

    def __init__(self, gate: Gate, hang_over_s: float) -> None:
        self._gate, self._hang_over_s = gate, hang_over_s
        self._levels: list[Floats] = []
        self._active: list[Flags] = []
        self._frames = self._samples = self._full = self._dead = 0
        self._powers: NDArray[np.float64] = np.zeros(0)  # sums of squares by channel

    @property
    def seconds(self) -> float:
        """How much audio was measured."""
        return self._frames / FRAMES_PER_S

    def blocks(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the same blocks after counting their samples that are at full scale or digital silence."""
        for block in blocks:
            lowest, highest = (int(block.pcm.min()), int(block.pcm.max())) if block.pcm.size else (0, 0)
            self._samples += block.pcm.size
            if block.pcm.shape[1] != len(self._powers):
                self._powers = np.zeros(block.pcm.shape[1])
            self._powers += np.square(block.pcm, dtype=np.float64).sum(axis=0)
            self._dead += block.pcm.size if rest(block.pcm, highest, lowest) else 0
            if highest >= LOUDEST or lowest <= QUIETEST:
                self._full += int(np.count_nonzero((block.pcm >= LOUDEST) | (block.pcm <= QUIETEST)))
            yield block

    def on_frames(self, frames: Frames, active: Flags) -> None:
        """Take note of a batch of frames."""
        self._frames += len(frames)
        self._levels.append(frames.levels_dbfs)
        self._active.append(active)

    def room(self) -> AmbientLevel:
        """Return what was measured, without the time in which the gate settled if there is enough after it."""
        settled = round(SETTLING_S * FRAMES_PER_S)
        begin = settled if self._frames > settled + LEAST_S * FRAMES_PER_S else 0
        levels = np.concatenate([np.empty(0, np.float32), *self._levels])[begin:]
        return AmbientLevel(
            seconds=len(levels) / FRAMES_PER_S,
            levels_dbfs=levels,
            open=held_open(np.concatenate([np.empty(0, np.bool_), *self._active]), self._hang_over_s)[begin:],
            floor_dbfs=self._gate.floor_dbfs,
            clipped=self._full / max(self._samples, 1),
            dead=self._dead / max(self._samples, 1),
            channels_dbfs=self._channels_dbfs(),
        )

    def _channels_dbfs(self) -> tuple[float, ...]:
        means = self._powers * len(self._powers) / max(self._samples, 1) / FULL_SCALE**2
        return tuple((10 * np.log10(np.maximum(means, 10 ** (SILENT_DBFS / 10)))).tolist())


def held_open(active: Flags, hang_over_s: float) -> Flags:
    """Return for each frame whether the gate is open: for `hang_over_s` after each active frame.

    Args:
        active: Shape (frames,).
        hang_over_s: In seconds.
    """
    now = np.arange(len(active))
    last = np.maximum.accumulate(np.where(active, now, -1 - len(active) - round(hang_over_s * FRAMES_PER_S)))
    held: Flags = now - last < max(1, round(hang_over_s * FRAMES_PER_S))
    return held


def some(source: BaseSource, seconds: float, patience_s: float) -> Iterator[Block]:
    """Yield audio of a source for `seconds`, or less if it ends.

    Args:
        source: Is closed at the end.
        seconds: How much audio, in seconds.
        patience_s: How long to wait for the first audio, and then for audio that is late.

    Raises:
        SourceError: No audio came.
    """
    details: list[str] = []
    received_s = 0.0

    def report(_state: SourceState, detail: str) -> None:
        details[:] = [detail]

    with ExitStack() as held:
        held.callback(source.close)
        timer = held.enter_context(_Timer(source, patience_s))
        for block in source.blocks(report):
            if not received_s:
                timer.restart(seconds + patience_s)
            yield block
            received_s += len(block.pcm) / block.rate
            if received_s >= seconds:
                return
    if not received_s:
        why = f" ({details[0]})" if details else ""
        raise SourceError(
            f"{source.name}: no audio came in {patience_s:g} s{why}",
            code="source-silent",
            remedy="See `listener devices`.",
        )


class _Timer:
    """Closes a source that takes too long."""

    def __init__(self, source: BaseSource, seconds: float) -> None:
        self._source = source
        self._timer = self._started(seconds)

    def __enter__(self) -> "_Timer":
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def restart(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._started(seconds)

    def _started(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._source.close)
        timer.daemon = True
        timer.start()
        return timer
