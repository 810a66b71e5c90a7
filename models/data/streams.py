"""Training streams: sounds of one fold placed in time, mixed, put into rooms, recorded by some device.

A stream is drawn from (mixing.seed, its fold, its number) and from nothing else. All its sounds are of one fold,
so that one pool of streams serves every training that leaves a fold out.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped]

from listener.pipeline.values import Floats
from models.data import microphone
from models.data.bank import EVERY_FOLD, SYNTHESISED, Bank, Sound
from models.data.events import BRIDGED_ALARM_S, BRIDGED_S, FRAMES, SAMPLES, PlacedSound, frame_power, frames_of, place
from models.data.labels import label_of, positives, unsure
from models.data.mixing import ALARMS, NOISE_LIKE, Mixing
from models.data.rooms import hum, recorded_responses, room_noise, room_response

SIZE = fft.next_fast_len(SAMPLES + 12_800, real=True)  # of the transforms: a stream and the longest tail
NOISE_SAMPLES = 2 * SAMPLES
MUTED = 0.02  # share of streams that are digital silence
AROUND = 4  # frames before and after an event in which labels akin to it are not asked for
BEDS = ("speech", "music", "street_music")
BACKGROUND = "background"  # of the data sets' labels of recorded rooms
Flags = NDArray[np.bool_]
Drawn = tuple[list[Sound], Floats]  # sounds of a label, and their cumulated shares


@dataclass(frozen=True, slots=True)
class MixedStream:
    """A stream and its targets. `known` is False where nobody can say, and the loss does not ask."""

    samples: Floats  # (SAMPLES,)
    dry: Floats  # (SAMPLES,) its sounds alone, without room noise and device: what a teacher listens to
    frames: Flags  # (labels, FRAMES)
    known: Flags  # (labels, FRAMES)
    free: bool  # of free recordings only
    datasets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Acoustics:
    """Rooms, devices and noises, shared by the mixers of all folds."""

    rooms: list[np.ndarray]  # spectra of responses
    devices: list[Floats]
    noises: list[Floats]


def make_acoustics(mixing: Mixing, responses: Path) -> Acoustics:
    """What the mixing's numbers ask for, drawn from its seed, and the recorded rooms in a folder."""
    rng = np.random.default_rng([mixing.seed, 7])
    rooms = [room_response(rng) for _ in range(mixing.rooms)] + recorded_responses(responses)
    return Acoustics(
        [fft.rfft(room, SIZE) for room in rooms],
        [microphone.response(rng, SIZE) for _ in range(mixing.responses)],
        [room_noise(rng, NOISE_SAMPLES) for _ in range(mixing.noises)],
    )


class StreamMixer:
    """Streams of one fold, by number."""

    def __init__(self, mixing: Mixing, bank: Bank, fold: int, acoustics: Acoustics) -> None:
        self._mixing, self._bank, self._fold, self._acoustics = mixing, bank, fold, acoustics
        self._drawn = {free: _Draw(mixing, bank, fold, only_free=free) for free in (True, False)}

    def __call__(self, number: int) -> MixedStream:
        """Mix the stream of this number."""
        rng = np.random.default_rng([self._mixing.seed, 11, self._fold, number])
        free = bool(rng.random() < self._mixing.free) and self._drawn[True].has_labels
        draw = self._drawn[free]
        count = int(rng.choice(len(self._mixing.events), p=self._mixing.events))
        events = [event for _ in range(count) for event in self._events(draw, rng)]
        gains = [_gain(event, 0.0 if not n else rng.uniform(*self._mixing.second_db)) for n, event in enumerate(events)]
        gains = _as_one(events, gains)
        bed, bed_db = self._bed(draw, rng)
        noise_db = -rng.uniform(45, 80) if rng.random() < self._mixing.clean else -rng.uniform(*self._mixing.snr_db)
        noise, background = self._noise(draw, rng)
        everything = [*events, *bed]
        levels = [*gains, *(_gain(event, bed_db) for event in bed)]
        frames, known = self._targets(everything, levels, 10 ** (noise_db / 10) if everything else 1.0)
        if bed and bed_db < self._mixing.bed_audible_db:
            known[self._numbers({label_of(bed[0].sound.label)})] = False
        known[self._numbers(unsure(background, self._mixing.labels))] &= frames[
            self._numbers(unsure(background, self._mixing.labels))
        ]
        near, far = self._buses(everything, levels, rng)
        mix = self._recorded(near, far, noise * np.float32(10 ** (noise_db / 20)), rng)
        if rng.random() < MUTED:
            mix, frames, known = np.zeros_like(mix), np.zeros_like(frames), np.ones_like(known)
        return MixedStream(
            mix,
            _to_peak(near + far, 0.7),
            frames,
            known,
            free,
            frozenset(event.sound.dataset for event in everything),
        )

    def _events(self, draw: "_Draw", rng: np.random.Generator) -> list[PlacedSound]:
        """One event, or a short sound and its repetitions."""
        sound = draw.sound(rng)
        limits = self._mixing.alarm_speed if sound.label in ALARMS else self._mixing.speed
        plain = rng.random() < self._mixing.unchanged_speed
        speed = 1.0 if plain else float(np.exp(rng.uniform(*np.log(limits))))
        events = [place(self._bank, sound, speed, rng)]
        if len(events[0].wave) < 16_000 and sound.dataset != SYNTHESISED and rng.random() < self._mixing.repeats:
            gap = rng.uniform(0.1, 2.0) * 16_000
            for _ in range(int(rng.integers(1, 4))):
                start = int(events[-1].stop + gap * rng.uniform(0.7, 1.3))
                if start < SAMPLES - 8_000:
                    events.append(place(self._bank, sound, speed, rng, start))
        return events

    def _bed(self, draw: "_Draw", rng: np.random.Generator) -> tuple[list[PlacedSound], float]:
        """Perhaps talk or music from start to end, of one speaker or piece or several, and its level."""
        labels = [label for label in BEDS if label in draw.by_label]
        if not labels or rng.random() >= self._mixing.bed:
            return [], 0.0
        label, start = labels[int(rng.integers(len(labels)))], 0
        events: list[PlacedSound] = []
        while start < SAMPLES - 8_000 and len(events) < 8:
            sound = draw.of(label, rng)
            events.append(place(self._bank, sound, 1.0, rng, start))
            start = events[-1].stop + int(rng.exponential(0.3) * 16_000)
        return events, rng.uniform(*self._mixing.bed_db)

    def _noise(self, draw: "_Draw", rng: np.random.Generator) -> tuple[Floats, str]:
        """A room's noise of unit power, recorded or synthesised, and the recording's label."""
        noises = self._acoustics.noises
        noise = noises[int(rng.integers(len(noises)))]
        start, background = int(rng.integers(len(noise) - SAMPLES)), ""
        noise = noise[start : start + SAMPLES]
        if draw.backgrounds and rng.random() < self._mixing.recorded_noise:
            sound = draw.backgrounds[int(rng.integers(len(draw.backgrounds)))]
            samples = self._bank.samples(sound)
            start = int(rng.integers(len(samples)))
            looped = np.resize(np.roll(samples, -start), SAMPLES)
            noise = _unit(looped) + np.float32(0.05) * noise
            background = sound.label
        if rng.random() < self._mixing.hum:
            noise = noise + np.float32(10 ** (rng.uniform(-15, 10) / 20)) * hum(rng, SAMPLES)
        return _unit(noise), background

    def _targets(self, events: list[PlacedSound], gains: list[float], noise_power: float) -> tuple[Flags, Flags]:
        mixing = self._mixing
        frames, known = np.zeros((len(mixing.labels), FRAMES), bool), np.ones((len(mixing.labels), FRAMES), bool)
        powers = [gain**2 * frame_power(event) for gain, event in zip(gains, events, strict=True)]
        total = np.sum(powers, axis=0) + noise_power if events else noise_power
        sounding = [_sounding(event) for event in events]
        for event, power, when in zip(events, powers, sounding, strict=True):
            if not when.any():
                continue
            mine = self._numbers(positives(event.sound.label, mixing.labels))
            rest = np.maximum(total - power, 1e-20)[when].mean()
            rest_db = 10 * np.log10(rest / max(float(power[when].mean()), 1e-20))
            if rest_db > self._drowned_db(label_of(event.sound.label)):
                known[np.ix_(mine, when)] = False
            frames[np.ix_(mine, when)] = True
        for event, when in zip(events, sounding, strict=True):
            akin = self._numbers(unsure(event.sound.label, mixing.labels))
            around = np.convolve(when, np.ones(2 * AROUND + 1), "same") > 0
            where = np.ix_(akin, around)
            known[where] &= frames[where]
        return frames, known

    def _drowned_db(self, label: str) -> float:
        if label in NOISE_LIKE:
            return self._mixing.inaudible_noise_db
        return self._mixing.inaudible_tone_db if label in ALARMS else self._mixing.inaudible_db

    def _numbers(self, labels: set[str]) -> NDArray[np.bool_]:
        """Which of the labels are among some."""
        return np.array([label in labels for label in self._mixing.labels])

    def _buses(self, events: list[PlacedSound], gains: list[float], rng: np.random.Generator) -> tuple[Floats, Floats]:
        """The sounds that are near, and those heard through the room."""
        buses = np.zeros((2, SAMPLES), np.float32)
        distant: dict[int, bool] = {}
        for event, gain in zip(events, gains, strict=True):
            far = distant.setdefault(id(event.sound), bool(rng.random() < self._mixing.far))
            buses[int(far), event.start : event.stop] += np.float32(gain) * event.wave
        return buses[0], buses[1]

    def _recorded(self, near: Floats, far: Floats, noise: Floats, rng: np.random.Generator) -> Floats:
        """Everything through the room and the device, at a level."""
        rooms, devices = self._acoustics.rooms, self._acoustics.devices
        spectrum = fft.rfft(near + noise, SIZE)
        if far.any():
            spectrum += fft.rfft(far, SIZE) * rooms[int(rng.integers(len(rooms)))]
        spectrum *= devices[int(rng.integers(len(devices)))]
        mix = fft.irfft(spectrum, SIZE)[:SAMPLES]
        peak = 10 ** (rng.uniform(*self._mixing.peak_dbfs) / 20)
        return microphone.heard(rng, _to_peak(mix, peak))


class _Draw:
    """The sounds of one fold, and how often each is drawn."""

    def __init__(self, mixing: Mixing, bank: Bank, fold: int, *, only_free: bool) -> None:
        here = [s for s in bank.sounds if s.fold in (fold, EVERY_FOLD) and (s.free or not only_free)]
        self.backgrounds = [s for s in here if s.label.startswith(BACKGROUND) and s.stop - s.start > 150]
        groups: dict[str, list[Sound]] = {}
        for sound in here:
            if not sound.label.startswith(BACKGROUND):
                groups.setdefault(sound.label, []).append(sound)
        self.by_label = {label: _shares(groups[label], mixing.source_balance) for label in sorted(groups)}
        joined: dict[str, list[str]] = {}
        for label in self.by_label:
            joined.setdefault(label_of(label), []).append(label)
        self._joined = {own: joined[own] for own in joined if own in mixing.labels}
        self._others = [label for own in joined if own not in mixing.labels for label in joined[own]]
        weights = np.array([mixing.label_weights.get(label, 1.0) for label in self._joined])
        self._labels, self._weights = list(self._joined), weights / weights.sum()
        self._distractors = mixing.distractors

    @property
    def has_labels(self) -> bool:
        """Whether there is a sound of any label."""
        return bool(self._labels)

    def sound(self, rng: np.random.Generator) -> Sound:
        """A sound of any label, or a distractor."""
        if self._others and (rng.random() < self._distractors or not self._labels):
            return self.of(self._others[int(rng.integers(len(self._others)))], rng)
        names = self._joined[self._labels[int(rng.choice(len(self._labels), p=self._weights))]]
        return self.of(names[int(rng.integers(len(names)))], rng)

    def of(self, label: str, rng: np.random.Generator) -> Sound:
        """A sound that a data set calls so."""
        sounds, upto = self.by_label[label]
        return sounds[min(len(sounds) - 1, int(np.searchsorted(upto, rng.random())))]


def _shares(sounds: list[Sound], balance: float) -> Drawn:
    """Data sets by the root of their length; within one, recordings that gave many cuts less often a cut.

    The more recordings there are, the less is synthesised.
    """
    cuts = Counter((sound.dataset, sound.source) for sound in sounds)
    share = np.array([cuts[sound.dataset, sound.source] ** -balance for sound in sounds])
    recorded = sum(sound.dataset != SYNTHESISED for sound in sounds)
    lengths = Counter[str]()
    for sound in sounds:
        lengths[sound.dataset] += sound.stop - sound.start
    roots = {name: frames**0.5 for name, frames in lengths.items() if name != SYNTHESISED}
    made = 1 / (1 + 0.08 * recorded)
    for name in lengths:
        here = np.array([sound.dataset == name for sound in sounds])
        part = (
            made if name == SYNTHESISED else (1 - made * (SYNTHESISED in lengths)) * roots[name] / sum(roots.values())
        )
        share[here] *= part / share[here].sum()
    return sounds, np.cumsum(share / share.sum())


def _sounding(event: PlacedSound) -> Flags:
    return frames_of(event, BRIDGED_ALARM_S if event.sound.label in ALARMS else BRIDGED_S)


def _as_one(events: list[PlacedSound], gains: list[float]) -> list[float]:
    """The repetitions of a sound as loud as its first."""
    first: dict[int, float] = {}
    return [first.setdefault(id(event.sound), gain) for event, gain in zip(events, gains, strict=True)]


def _gain(event: PlacedSound, level_db: float) -> float:
    return float(10 ** ((level_db - event.level_db) / 20))


def _unit(wave: Floats) -> Floats:
    return wave / np.float32(max(float(np.sqrt(np.square(wave).mean())), 1e-9))


def _to_peak(wave: Floats, peak: float) -> Floats:
    return wave * np.float32(peak / max(float(np.abs(wave).max()), 1e-9))
