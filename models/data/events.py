"""Events of a stream: which part of a sound is played, when, how fast, and in which frames it sounds."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from listener.pipeline.values import Floats
from models.data.bank import FRAME, Bank, Sound

SAMPLES = 130_800  # of a stream: 816 columns
FRAMES = 102
FRAME_SAMPLES = 1280  # 80 ms
QUIET_DB = 22.0
LEAST = 1600  # samples of an event
FADE = 64  # samples: a cut must not click
SOUNDING_DB = 30.0  # below its loudest moment a sound counts as silent
BRIDGED_S = 0.5  # shorter silences within a sound belong to it
BRIDGED_ALARM_S = 1.8  # the pause of T3, but not that of T4


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """A part of a sound, dry, at its place in a stream."""

    sound: Sound
    start: int  # sample of the stream
    wave: Floats
    level_db: float  # mean power of its loud frames

    @property
    def stop(self) -> int:
        """Index after the last sample."""
        return self.start + len(self.wave)


def place(bank: Bank, sound: Sound, speed: float, rng: np.random.Generator, start: int | None = None) -> PlacedSound:
    """A sound at a random place of the stream, cut at the stream's ends; a long one is cut to a random part.

    A part that is far quieter than the sound's loudest moment is drawn again, and is never raised to its level.
    """
    for _ in range(3):
        event = _placed(bank, sound, speed, rng, start)
        if event.level_db > sound.peak_db - QUIET_DB:
            return event
    return replace(event, level_db=sound.peak_db - QUIET_DB)


def frames_of(event: PlacedSound, bridged_s: float, rate: int = 16_000) -> NDArray[np.bool_]:
    """The frames of the stream in which an event sounds, short silences bridged: bool (FRAMES,)."""
    frames = np.zeros(FRAMES, bool)
    count = len(event.wave) // FRAME
    levels = np.square(event.wave[: count * FRAME]).reshape(count, FRAME).mean(axis=1)
    loud = np.flatnonzero(levels > levels.max(initial=1e-12) * 10 ** (-SOUNDING_DB / 10))
    if not len(loud):
        return frames
    starts = event.start + loud * FRAME
    breaks = np.flatnonzero(np.diff(starts) > bridged_s * rate)
    begins, ends = starts[np.r_[0, breaks + 1]], starts[np.r_[breaks, len(starts) - 1]] + FRAME
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        frames[begin // FRAME_SAMPLES : -(-end // FRAME_SAMPLES)] = True
    return frames


def frame_power(event: PlacedSound) -> Floats:
    """Mean power of an event in each frame of the stream: float32 (FRAMES,)."""
    first, last = event.start // FRAME_SAMPLES, min(FRAMES, -(-event.stop // FRAME_SAMPLES))
    padded = np.zeros((last - first) * FRAME_SAMPLES, np.float32)
    at = event.start - first * FRAME_SAMPLES
    part = event.wave[: len(padded) - at]
    padded[at : at + len(part)] = part
    power = np.zeros(FRAMES, np.float32)
    power[first:last] = np.square(padded).reshape(-1, FRAME_SAMPLES).mean(axis=1)
    return power


def _placed(bank: Bank, sound: Sound, speed: float, rng: np.random.Generator, start: int | None) -> PlacedSound:
    length = int((sound.stop - sound.start) * FRAME / speed)
    heard, skipped = length, 0
    if length > 4 * 16_000 or rng.random() < 0.12:
        heard = int(rng.uniform(min(length, 8_000), min(length, SAMPLES)))
        skipped = int(rng.integers(0, length - heard + 1)) if rng.random() < 0.6 else 0
    if start is None:
        start = int(rng.uniform(-0.4 * heard, max(SAMPLES - 0.7 * heard, SAMPLES - 16_000)))
    start = min(start, SAMPLES - LEAST)
    if start < 0:
        start = min(0, max(start, LEAST - heard))
        skipped, heard, start = skipped - start, heard + start, 0
    return PlacedSound(sound, start, *_cut(bank, sound, speed, skipped, min(heard, SAMPLES - start)))


def _cut(bank: Bank, sound: Sound, speed: float, skipped: int, heard: int) -> tuple[Floats, float]:
    """Some samples of the sound played at a speed, and the level of its loud frames."""
    begin, end = sound.start * FRAME, sound.stop * FRAME
    first = begin + int(skipped * speed)
    last = min(end, first + int(heard * speed) + 2)
    source = bank.pcm[first:last].astype(np.float32) * np.float32(1 / 32768)
    wave = source[:heard] if speed == 1.0 else _faster(source, speed, heard)
    levels = 10 ** (bank.level_db[first // FRAME : max(first // FRAME + 1, last // FRAME)] / 10)
    ramp = np.linspace(0, 1, min(FADE, len(wave)), dtype=np.float32)
    wave[: len(ramp)] *= ramp
    wave[len(wave) - len(ramp) :] *= ramp[::-1]
    return wave, float(10 * np.log10(levels[levels > levels.max() / 100].mean()))


def _faster(source: Floats, speed: float, count: int) -> Floats:
    """At most `count` samples of the source read at a speed, by linear interpolation."""
    count = min(count, int((len(source) - 1) / speed))
    position = np.arange(count) * speed
    whole = position.astype(np.int32)
    part = (position - whole).astype(np.float32)
    before = source.take(whole)
    return before + part * (source.take(whole + 1) - before)
