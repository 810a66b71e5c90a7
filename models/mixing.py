"""Training examples, made while training runs: sounds placed, mixed, put into rooms, heard by some microphone.

An example is drawn from (recipe.seed, its number) and from nothing else.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy import fft  # type: ignore[import-untyped]

from listener.features import LogMel
from listener.types import Floats
from models.bank import Bank, Sound
from models.placing import Placed, place
from models.recipe import AKIN, BEEPING, NOISE_LIKE, Recipe
from models.rooms import room_noise, room_response
from models.synthesis import STANDARD

SIZE = 65_536  # of the transforms: a clip and the longest tail
NOISE_SAMPLES = 96_000
FRONT = np.float32(1e-4)  # the live clipper's quiet noise before what was heard, -80 dBFS
_Drawn = tuple[list[Sound], Floats]  # sounds of a label, and their shares added up

ANSWERED_QUIETLY_DB = 22.0  # a part so far under the sound's own peak may be only its background


@dataclass(frozen=True, slots=True)
class Example:
    """A clip and what is to be said of it. `known` is 0 where nobody can say, and the loss does not ask."""

    samples: Floats  # (clip_samples,)
    targets: Floats  # (labels,) 0 or 1
    known: Floats  # (labels,) 0 or 1


class Mixer:
    """Examples by number. Holds pools of rooms, responses and noises, made from the recipe's seed."""

    def __init__(self, recipe: Recipe, bank: Bank) -> None:
        self._recipe, self._bank = recipe, bank
        self._sounds = _by_label(recipe, bank)
        weights = np.array([recipe.label_weights.get(label, 1.0) for label in self._sounds])
        self._labels, self._shares = list(self._sounds), weights / weights.sum()
        rng = np.random.default_rng([recipe.seed, 7])
        self._rooms = [fft.rfft(room_response(rng), SIZE) for _ in range(recipe.rooms)]
        self._responses = [_device_response(rng, recipe.spec.sample_rate) for _ in range(recipe.responses)]
        self._noises = [room_noise(rng, NOISE_SAMPLES) for _ in range(recipe.noises)]

    def __call__(self, number: int) -> Example:
        rng = np.random.default_rng([self._recipe.seed, 11, number])
        count = int(rng.choice(len(self._recipe.sounds_in_clip), p=self._recipe.sounds_in_clip))
        first = self._first_heard(rng)
        if count == 0:
            return self._only_noise(first, rng)
        placed = self._place(count, first, rng)
        gains, noise_gain = self._gains(placed, rng)
        mix = self._heard(placed, gains, noise_gain, rng)
        peak_dbfs = rng.uniform(*self._recipe.peak_dbfs)
        targets, known = self._targets(placed, gains, noise_gain)
        return Example(_finished(mix, first, peak_dbfs, rng), targets, known)

    def _first_heard(self, rng: np.random.Generator) -> int:
        """The first sample that was really heard; before it is the clipper's padding."""
        clip, rate = self._recipe.spec.clip_samples, self._recipe.spec.sample_rate
        return clip - int(rng.uniform(0.25, 2.75) * rate) if rng.random() < self._recipe.padded else 0

    def _place(self, count: int, first: int, rng: np.random.Generator) -> list[Placed]:
        count = min(count, len(self._labels))
        labels = rng.choice(len(self._labels), count, replace=False, p=self._shares)
        return [self._place_one(self._labels[n], first, rng) for n in labels]

    def _place_one(self, label: str, first: int, rng: np.random.Generator) -> Placed:
        recipe = self._recipe
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
        levels_db = [0.0] + [rng.uniform(*self._recipe.second_db) for _ in placed[1:]]
        gains = [10 ** ((level - part.level_db) / 20) for level, part in zip(levels_db, placed, strict=True)]
        snr_db = rng.uniform(45, 90) if rng.random() < self._recipe.clean else rng.uniform(*self._recipe.snr_db)
        return gains, 10 ** (-snr_db / 20)

    def _heard(self, placed: list[Placed], gains: list[float], noise_gain: float, rng: np.random.Generator) -> Floats:
        """The sounds in their room (one for all of them), the noise, and the device that hears them."""
        clip = self._recipe.spec.clip_samples
        dry = np.zeros(clip, np.float32)
        wet = np.zeros(clip, np.float32)
        for part, gain in zip(placed, gains, strict=True):
            in_room = part.label in STANDARD or rng.random() < self._recipe.wet_recordings
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
        clip, labels = self._recipe.spec.clip_samples, len(self._recipe.labels)
        nothing, everything = np.zeros(labels, np.float32), np.ones(labels, np.float32)
        if rng.random() < 0.06:
            return Example(np.zeros(clip, np.float32), nothing, everything)
        noise = self._noise(clip, rng) + np.float32(rng.uniform(0, 1)) * self._noise(clip, rng)
        mix = self._through_device(fft.rfft(noise, SIZE), rng)[:clip]
        return Example(_finished(mix, first, rng.uniform(-78, -8), rng), nothing, everything)

    def _targets(self, placed: list[Placed], gains: list[float], noise_gain: float) -> tuple[Floats, Floats]:
        labels = self._recipe.labels
        targets, known = np.zeros(len(labels), np.float32), np.ones(len(labels), np.float32)
        for n, part in enumerate(placed):
            targets[labels.index(part.label)] = 1
            for unsure in self._unsure(part, self._rest_db(n, placed, gains, noise_gain), placed):
                known[labels.index(unsure)] = 0
        return targets, known

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
        recipe, length_s = self._recipe, len(part.wave) / self._recipe.spec.sample_rate
        unsure = {second for first, second in (*AKIN, *((b, a) for a, b in AKIN)) if first == part.label}
        unsure -= {other.label for other in placed}
        drowned_db = recipe.inaudible_noise_db if part.label in NOISE_LIKE else recipe.inaudible_db
        if rest_db > drowned_db or part.below_peak_db > ANSWERED_QUIETLY_DB:
            unsure.add(part.label)
        if not part.whole and length_s < recipe.glimpse_s:
            unsure.add(part.label)
        if part.label in BEEPING and length_s < recipe.cadence_s:
            unsure.update(BEEPING if length_s < recipe.cadence_s / 2 else set(BEEPING) - {part.label})
        return unsure & set(recipe.labels)


def mel_batch(mixer: Mixer, log_mel: LogMel, first: int, count: int) -> tuple[Floats, Floats, Floats]:
    """Examples `first` and on as (mel (count, mels, columns), targets, known (count, labels))."""
    examples = [mixer(number) for number in range(first, first + count)]
    mel = np.stack([log_mel.columns(example.samples) for example in examples])
    return mel, np.stack([e.targets for e in examples]), np.stack([e.known for e in examples])


def _by_label(recipe: Recipe, bank: Bank) -> dict[str, _Drawn]:
    """Of each label that has sounds: the sounds and how often each is drawn.

    Data sets by the root of how long they are; within one, recordings that gave many cuts less often a cut.
    """
    groups: dict[str, list[Sound]] = {}
    for sound in bank.sounds:
        if sound.label in recipe.labels:
            groups.setdefault(sound.label, []).append(sound)
    return {label: _drawn(groups[label], recipe.source_balance) for label in sorted(groups, key=recipe.labels.index)}


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
