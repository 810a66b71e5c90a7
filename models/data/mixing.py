"""Training examples: sounds of one fold placed, mixed, put into rooms, heard by some microphone.

An example is drawn from (mixing.seed, its fold, its number) and from nothing else. All its sounds are of one fold,
so that one pool of examples serves every training that leaves a fold out.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped]

from listener.pipeline.values import Floats
from models.data.bank import EVERY_FOLD, FRAME, Bank, Sound
from models.data.placing import Placed, place
from models.data.rooms import room_noise, room_response
from models.data.synthesis import STANDARD
from models.evaluation.scoring import FRONT
from models.training.recipe import AKIN, BEEPING, NOISE_LIKE, Mixing

SIZE = 65_536  # of the transforms: a clip and the longest tail
NOISE_SAMPLES = 96_000
Flags = NDArray[np.bool_]
_Drawn = tuple[list[Sound], Floats]  # sounds of a label, and their shares added up

ANSWERED_QUIETLY_DB = 22.0  # a part so far under the sound's own peak may be only its background
SOUNDING_DB = 30.0  # below its loudest moment a sound is not said to be there
BRIDGED_S = 0.5  # shorter silences within a sound belong to it
FRAME_STEP = 1280  # samples: 80 ms, the step of the frame scores
FRAMES = 38  # of a clip
UNDERNEATH = ("speech", "music")


@dataclass(frozen=True, slots=True)
class Example:
    """A clip and what is to be said of it. `known` is False where nobody can say, and the loss does not ask."""

    samples: Floats  # (clip_samples,)
    dry: Floats  # (clip_samples,) its sounds alone, without room noise and device: what a teacher listens to
    targets: Flags  # (labels,)
    known: Flags  # (labels,)
    frames: Flags  # (labels, frames): where in the clip each sounds
    datasets: frozenset[str]  # that gave something to it


class Mixer:
    """Examples of one fold, by number. Holds pools of rooms, responses and noises, made from the seed."""

    def __init__(self, mixing: Mixing, bank: Bank, fold: int) -> None:
        self._mixing, self._bank, self._fold = mixing, bank, fold
        self._sounds = _by_label(mixing, bank, fold)
        weights = np.array([mixing.label_weights.get(label, 1.0) for label in self._sounds])
        self._labels, self._shares = list(self._sounds), weights / weights.sum()
        rng = np.random.default_rng([mixing.seed, 7])
        self._rooms = [fft.rfft(room_response(rng), SIZE) for _ in range(mixing.rooms)]
        self._responses = [_device_response(rng, mixing.spec.sample_rate) for _ in range(mixing.responses)]
        self._noises = [room_noise(rng, NOISE_SAMPLES) for _ in range(mixing.noises)]

    def __call__(self, number: int) -> Example:
        rng = np.random.default_rng([self._mixing.seed, 11, self._fold, number])
        count = int(rng.choice(len(self._mixing.sounds_in_clip), p=self._mixing.sounds_in_clip))
        first = self._first_heard(rng)
        if count == 0:
            return self._only_noise(first, rng)
        placed = self._place(count, first, rng)
        gains, noise_gain = self._gains(placed, rng)
        below = self._underneath(placed, first, rng)
        mix = self._heard([*zip(placed, gains, strict=True), *below], noise_gain, rng)
        targets, known = self._targets(placed, gains, noise_gain)
        for part, _ in below:
            known[self._numbers({part.label, *_akin(part.label)})] = False
        return Example(
            _finished(mix, first, rng.uniform(*self._mixing.peak_dbfs), rng),
            self._dry(placed, gains),
            targets,
            known,
            self._frames(placed),
            frozenset(part.dataset for part in (*placed, *(part for part, _ in below))),
        )

    def _first_heard(self, rng: np.random.Generator) -> int:
        """The first sample that was really heard; before it is the clipper's padding."""
        clip, rate = self._mixing.spec.clip_samples, self._mixing.spec.sample_rate
        return clip - int(rng.uniform(0.25, 2.75) * rate) if rng.random() < self._mixing.padded else 0

    def _place(self, count: int, first: int, rng: np.random.Generator) -> list[Placed]:
        count = min(count, len(self._labels))
        labels = rng.choice(len(self._labels), count, replace=False, p=self._shares)
        return [self._place_one(self._labels[n], first, rng) for n in labels]

    def _place_one(self, label: str, first: int, rng: np.random.Generator) -> Placed:
        recipe = self._mixing
        sounds, upto = self._sounds[label]
        sound = sounds[min(len(sounds) - 1, int(np.searchsorted(upto, rng.random())))]
        limits = recipe.cadence_speed if label in ("smoke_alarm", "co_alarm") else recipe.speed
        speed = 1.0 if rng.random() < recipe.unchanged_speed else float(np.exp(rng.uniform(*np.log(limits))))
        window = (first, recipe.spec.clip_samples)
        placed = place(self._bank, sound, speed, window, rng)
        quiet = placed.below_peak_db > ANSWERED_QUIETLY_DB
        return place(self._bank, sound, speed, window, rng) if quiet else placed

    def _gains(self, placed: list[Placed], rng: np.random.Generator) -> tuple[list[float], float]:
        """Linear gains of the sounds, the first one's level being 0 dB, and of the noise."""
        levels_db = [0.0] + [rng.uniform(*self._mixing.second_db) for _ in placed[1:]]
        gains = [_gain(part, level) for level, part in zip(levels_db, placed, strict=True)]
        snr_db = rng.uniform(45, 90) if rng.random() < self._mixing.clean else rng.uniform(*self._mixing.snr_db)
        return gains, 10 ** (-snr_db / 20)

    def _underneath(self, placed: list[Placed], first: int, rng: np.random.Generator) -> list[tuple[Placed, float]]:
        """Perhaps talk or music far below the sounds, and its gain: nobody could say whether it is to be named."""
        heard = {label for part in placed for label in (part.label, *_akin(part.label))}
        possible = [label for label in UNDERNEATH if label in self._sounds and label not in heard]
        if not possible or rng.random() >= self._mixing.underneath:
            return []
        part = self._place_one(possible[int(rng.integers(len(possible)))], first, rng)
        return [(part, _gain(part, rng.uniform(*self._mixing.underneath_db)))]

    def _heard(self, placed: list[tuple[Placed, float]], noise_gain: float, rng: np.random.Generator) -> Floats:
        """The sounds in their room (one for all of them), the noise, and the device that hears them."""
        clip = self._mixing.spec.clip_samples
        dry = np.zeros(clip, np.float32)
        wet = np.zeros(clip, np.float32)
        for part, gain in placed:
            in_room = part.label in STANDARD or rng.random() < self._mixing.wet_recordings
            into = wet if in_room else dry
            into[part.start : part.stop] += np.float32(gain) * part.wave
        dry += np.float32(noise_gain) * self._noise(clip, rng)
        spectrum = fft.rfft(dry, SIZE)
        if wet.any():
            spectrum += fft.rfft(wet, SIZE) * self._rooms[int(rng.integers(len(self._rooms)))]
        return self._through_device(spectrum, rng)[:clip]

    def _through_device(self, spectrum: np.ndarray, rng: np.random.Generator) -> Floats:
        spectrum *= self._responses[int(rng.integers(len(self._responses)))]
        wave: Floats = fft.irfft(spectrum, SIZE, overwrite_x=True)
        return wave

    def _noise(self, count: int, rng: np.random.Generator) -> Floats:
        noise = self._noises[int(rng.integers(len(self._noises)))]
        start = int(rng.integers(len(noise) - count))
        return noise[start : start + count]

    def _only_noise(self, first: int, rng: np.random.Generator) -> Example:
        """Room noise, two at once, or digital silence: nothing is to be named."""
        clip = self._mixing.spec.clip_samples
        mix = np.zeros(clip, np.float32)
        if rng.random() >= 0.06:
            noise = self._noise(clip, rng) + np.float32(rng.uniform(0, 1)) * self._noise(clip, rng)
            mix = _finished(self._through_device(fft.rfft(noise, SIZE), rng)[:clip], first, rng.uniform(-78, -8), rng)
        labels = len(self._mixing.labels)
        return Example(
            mix, mix, np.zeros(labels, bool), np.ones(labels, bool), np.zeros((labels, FRAMES), bool), frozenset()
        )

    def _dry(self, placed: list[Placed], gains: list[float]) -> Floats:
        """The sounds as they were recorded, their loudest moment at -3 dBFS."""
        dry = np.zeros(self._mixing.spec.clip_samples, np.float32)
        for part, gain in zip(placed, gains, strict=True):
            dry[part.start : part.stop] += np.float32(gain) * part.wave
        return dry * np.float32(0.7 / max(float(np.abs(dry).max()), 1e-9))

    def _targets(self, placed: list[Placed], gains: list[float], noise_gain: float) -> tuple[Flags, Flags]:
        targets, known = np.zeros(len(self._mixing.labels), bool), np.ones(len(self._mixing.labels), bool)
        for n, part in enumerate(placed):
            targets[self._numbers({part.label})] = True
            known[self._numbers(self._unsure(part, self._rest_db(n, placed, gains, noise_gain), placed))] = False
        return targets, known

    def _frames(self, placed: list[Placed]) -> Flags:
        """Where in the clip each label sounds: bool (labels, FRAMES), short silences within a sound bridged."""
        frames = np.zeros((len(self._mixing.labels), FRAMES), bool)
        for part in placed:
            count = len(part.wave) // FRAME
            levels = np.square(part.wave[: count * FRAME]).reshape(count, FRAME).mean(axis=1)
            loud = np.flatnonzero(levels > levels.max(initial=1e-12) * 10 ** (-SOUNDING_DB / 10))
            starts = part.start + loud * FRAME
            for begin, end in _bridged(starts, self._mixing.spec.sample_rate):
                frames[self._mixing.labels.index(part.label), begin // FRAME_STEP : -(-end // FRAME_STEP)] = True
        return frames

    def _numbers(self, labels: set[str]) -> list[int]:
        return [n for n, label in enumerate(self._mixing.labels) if label in labels]

    def _rest_db(self, n: int, placed: list[Placed], gains: list[float], noise_gain: float) -> float:
        """Level of everything else while sound n sounds, beside that sound's own."""
        mine = placed[n]
        power = noise_gain**2
        for other, gain in zip(placed, gains, strict=True):
            begin, end = max(mine.start, other.start), min(mine.stop, other.stop)
            if other is not mine and end > begin:
                shared = other.wave[begin - other.start : end - other.start]
                power += gain**2 * float(shared @ shared) / len(mine.wave)
        return float(10 * np.log10(power)) - mine.level_db - 20 * float(np.log10(gains[n]))

    def _unsure(self, part: Placed, rest_db: float, placed: list[Placed]) -> set[str]:
        """Labels that nobody could be sure about, given this sound."""
        mixing, length_s = self._mixing, len(part.wave) / self._mixing.spec.sample_rate
        unsure = _akin(part.label) - {other.label for other in placed}
        drowned_db = mixing.inaudible_noise_db if part.label in NOISE_LIKE else mixing.inaudible_db
        if rest_db > drowned_db or part.below_peak_db > ANSWERED_QUIETLY_DB:
            unsure.add(part.label)
        if not part.whole and length_s < mixing.glimpse_s:
            unsure.add(part.label)
        if part.label in BEEPING and length_s < mixing.cadence_s:
            unsure.update(BEEPING if length_s < mixing.cadence_s / 2 else set(BEEPING) - {part.label})
        return unsure


def _akin(label: str) -> set[str]:
    return {second for first, second in (*AKIN, *((b, a) for a, b in AKIN)) if first == label}


def _gain(part: Placed, level_db: float) -> float:
    """The factor that brings a sound to a level."""
    return float(10 ** ((level_db - part.level_db) / 20))


def _bridged(starts: np.ndarray, rate: int) -> list[tuple[int, int]]:
    """Spans of samples of the frames that start there, those apart by less than BRIDGED_S being one."""
    if not len(starts):
        return []
    breaks = np.flatnonzero(np.diff(starts) > BRIDGED_S * rate)
    begins, ends = starts[np.r_[0, breaks + 1]], starts[np.r_[breaks, len(starts) - 1]] + FRAME
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def _by_label(mixing: Mixing, bank: Bank, fold: int) -> dict[str, _Drawn]:
    """Of each label that has sounds in a fold: the sounds and how often each is drawn.

    Data sets by the root of how long they are; within one, recordings that gave many cuts less often a cut.
    """
    groups: dict[str, list[Sound]] = {}
    for sound in bank.sounds:
        if sound.label in mixing.labels and sound.fold in (fold, EVERY_FOLD):
            groups.setdefault(sound.label, []).append(sound)
    return {label: _drawn(groups[label], mixing.source_balance) for label in sorted(groups, key=mixing.labels.index)}


def _drawn(sounds: list[Sound], balance: float) -> _Drawn:
    cuts = Counter((sound.dataset, sound.source) for sound in sounds)
    share = np.array([cuts[sound.dataset, sound.source] ** -balance for sound in sounds])
    for dataset in {sound.dataset for sound in sounds}:
        here = np.array([sound.dataset == dataset for sound in sounds])
        frames = sum(sound.stop - sound.start for sound in sounds if sound.dataset == dataset)
        share[here] *= frames**0.5 / share[here].sum()
    return sounds, np.cumsum(share / share.sum())


def _device_response(rng: np.random.Generator, rate: int) -> Floats:
    """What a microphone and its converter do to a spectrum: float32 (SIZE // 2 + 1,) amplitude factors."""
    frequency_hz = np.fft.rfftfreq(SIZE, 1 / rate)
    gain_db = np.zeros(len(frequency_hz))
    if rng.random() < 0.5:  # band-limited as telephones, old codecs and the data sets are
        corner_hz = np.exp(rng.uniform(np.log(3400), np.log(7800)))
        gain_db -= 10 * np.log10(1 + np.minimum(frequency_hz / corner_hz, 100) ** (2 * rng.choice((2, 4, 8, 24, 60))))
    if rng.random() < 0.5:
        corner_hz = np.exp(rng.uniform(np.log(50), np.log(500)))
        gain_db -= 10 * np.log10(1 + (corner_hz / np.maximum(frequency_hz, 1)) ** (2 * rng.choice((1, 2, 4))))
    octaves = np.log2(np.maximum(frequency_hz, 40) / 1000)
    if rng.random() < 0.6:
        gain_db += rng.normal(0, 1.5) * octaves
    if rng.random() < 0.5:  # the ripple of a case and a small diaphragm
        gain_db += np.interp(octaves, np.linspace(-5, 3, 14), rng.normal(0, 2.5, 14))
    return (10 ** (np.maximum(gain_db, -90) / 20)).astype(np.float32)


def _finished(mix: Floats, first: int, peak_dbfs: float, rng: np.random.Generator) -> Floats:
    """The mix at its level, in 16 bits, its unheard front filled as the live clipper fills it."""
    peak = max(float(np.abs(mix[first:]).max()), 1e-9)
    mix = mix * np.float32(32767 * 10 ** (peak_dbfs / 20) / peak)
    np.rint(mix, out=mix)
    mix *= np.float32(1 / 32768)
    if first:
        mix[:first] = FRONT * rng.standard_normal(first, dtype=np.float32)
    return mix
