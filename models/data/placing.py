"""Where in a clip a sound lies, and which part of it is to be heard."""

from dataclasses import dataclass

import numpy as np

from listener.pipeline.values import Floats
from models.data.bank import FRAME, Bank, Sound

FADE = 64  # samples: a cut must not click


@dataclass(frozen=True, slots=True)
class Placed:
    """A part of a sound, dry, at its place in a clip."""

    label: str
    dataset: str
    start: int  # sample of the clip
    wave: Floats
    level_db: float  # mean power of what is heard of it, its silences left out
    whole: bool  # nothing of it was cut away
    below_peak_db: float  # how far the loudest moment heard lies under the sound's own

    @property
    def stop(self) -> int:
        return self.start + len(self.wave)


def place(bank: Bank, sound: Sound, speed: float, window: tuple[int, int], rng: np.random.Generator) -> Placed:
    """The sound at a random place of the window (start, stop in samples of the clip), played at `speed`."""
    first, last = window
    length = int((sound.stop - sound.start) * FRAME / speed)
    start, skipped = _long(length, last - first, rng) if length > last - first else _short(length, last - first, rng)
    heard = min(length - skipped, last - first - start)
    wave, levels = _part(bank, sound, speed, skipped, heard)
    loudest = float(levels.max())
    loud = levels[levels > loudest - 20]
    level_db = float(10 * np.log10(np.mean(10 ** (loud / 10))))
    whole = heard == length
    return Placed(sound.label, sound.dataset, first + start, wave, level_db, whole, sound.peak_db - loudest)


def _long(length: int, room: int, rng: np.random.Generator) -> tuple[int, int]:
    """Place in the window and samples skipped, for a sound longer than it: all of it, its end, or its start."""
    kind = rng.random()
    if kind < 0.5:
        return 0, int(rng.integers(0, length - room + 1))
    if kind < 0.65:
        return 0, length - _glimpse(room, rng)
    skipped = 0 if rng.random() < 0.7 else int(rng.integers(0, length - room + 1))
    return room - _glimpse(room, rng), skipped


def _short(length: int, room: int, rng: np.random.Generator) -> tuple[int, int]:
    """Place and samples skipped, for a sound that fits: mostly whole, else its end only, or its start only."""
    kind = rng.random()
    if kind < 0.65:
        return int(rng.integers(0, room - length + 1)), 0
    heard = _glimpse(length, rng)
    return (0, length - heard) if kind < 0.75 else (room - heard, 0)


def _glimpse(most: int, rng: np.random.Generator) -> int:
    """Samples heard of a cut sound: from a tenth of a second, a third of the time less than 0.8 s."""
    least = min(most, 1600)
    upper = min(most, 12_800) if rng.random() < 0.35 else most
    return int(rng.integers(least, upper + 1))


def _part(bank: Bank, sound: Sound, speed: float, skipped: int, heard: int) -> tuple[Floats, Floats]:
    """`heard` samples of the sound at a speed, from `skipped` on (both as played), and its frames' levels in dB."""
    begin, end = sound.start * FRAME, sound.stop * FRAME
    first = begin + int(skipped * speed)
    last = min(end, first + int(heard * speed) + 2)
    source = bank.pcm[first:last].astype(np.float32)
    source *= np.float32(1 / 32768)
    wave = source[:heard] if speed == 1.0 else _faster(source, speed, heard)
    levels = bank.level_db[first // FRAME : max(first // FRAME + 1, last // FRAME)]
    ramp = np.linspace(0, 1, min(FADE, len(wave)), dtype=np.float32)
    wave[: len(ramp)] *= ramp
    wave[len(wave) - len(ramp) :] *= ramp[::-1]
    return wave, levels


def _faster(source: Floats, speed: float, count: int) -> Floats:
    """At most `count` samples of the source read at a speed, by linear interpolation."""
    count = min(count, int((len(source) - 1) / speed))
    position = np.arange(count) * speed
    whole = position.astype(np.int32)
    part = (position - whole).astype(np.float32)
    before = source.take(whole)
    return before + part * (source.take(whole + 1) - before)
