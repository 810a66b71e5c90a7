"""Mixes labelled clips into a long room recording with known event times.

    python -m models.evaluation.scene_maker --metadata sounds/metadata.csv --folds 4 --minutes 10 --seed 1 --out scene1

writes scene1.wav (mono, 16 bit) and scene1.json: `{"duration_s", "seed", "events": [{"label", "onset_s", "offset_s",
"snr_db", "clip"}]}`. Clips are trimmed to their active part, get a random level above the room's noise, and pass
through a short synthetic room response. The seed alone decides everything.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.data.recordings import DataError

Samples = NDArray[np.float64]

AUDIO = (".wav", ".flac", ".ogg", ".mp3")
PAUSE_S = 1.5  # between events that do not overlap
FULL_SCALE = 0.99


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """What a scene is made of.

    Attributes:
        per_minute: Mean number of events a minute.
        snr_db: Range of an event's RMS over the room's.
        floor_dbfs: RMS of the room.
        background: Folder of recordings to use as the room instead of pink noise.
        overlap: Probability that an event may start during the previous one.
        rate: Sample rate in Hz.
    """

    minutes: float = 10.0
    per_minute: float = 4.0
    snr_db: tuple[float, float] = (6.0, 30.0)
    floor_dbfs: float = -55.0
    background: Path | None = None
    max_event_s: float = 6.0
    overlap: float = 0.1
    rate: int = 16_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A file with one sound; `name` is its path as the listing has it."""

    file: Path
    name: str
    label: str


class SceneMaker:
    """Makes one scene.

    Args:
        clips: The clips to draw from; each label is equally likely.
        settings: What the scene is made of.
    """

    def __init__(self, clips: Sequence[LabelledClip], settings: SceneSettings) -> None:
        self._settings, self._rng = settings, np.random.default_rng(settings.seed)
        self._labels = sorted({clip.label for clip in clips})
        self._by_label = {label: [clip for clip in clips if clip.label == label] for label in self._labels}
        self._floor = 10 ** (settings.floor_dbfs / 20)

    def make(self) -> tuple[Samples, list[dict[str, Any]]]:
        """Return the samples, float64 (n,), and the events in order of their onsets."""
        settings, rng = self._settings, self._rng
        total = int(settings.minutes * 60 * settings.rate)
        mean_gap_s = 60 / settings.per_minute
        scene = self._room(total) * self._floor
        events: list[dict[str, Any]] = []
        clock, last_end = rng.exponential(mean_gap_s), 0.0
        while clock < settings.minutes * 60 - settings.max_event_s - 1:
            clip = self._draw()
            sound, snr_db = self._sound(clip)
            wet = reverberated(sound, settings.rate, rng)
            begin = int(clock * settings.rate)
            wet = wet[: total - begin]
            scene[begin : begin + len(wet)] += wet
            end = clock + len(sound) / settings.rate
            events.append(_event(clip, clock, end, snr_db))
            last_end = max(last_end, end)
            gap = rng.exponential(mean_gap_s)
            clock = clock + gap if rng.random() < settings.overlap else max(clock + gap, last_end + PAUSE_S)
        peak = np.abs(scene).max()
        return (scene * FULL_SCALE / peak if peak > FULL_SCALE else scene), events

    def _draw(self) -> LabelledClip:
        clips = self._by_label[self._labels[self._rng.integers(len(self._labels))]]
        return clips[self._rng.integers(len(clips))]

    def _sound(self, clip: LabelledClip) -> tuple[Samples, float]:
        """The clip's active part, at most `max_event_s` of it, faded and at its level; and its SNR in dB."""
        rate, rng = self._settings.rate, self._rng
        sound = active_part(read(clip.file, rate), rate)
        longest = int(self._settings.max_event_s * rate)
        if len(sound) > longest:
            start = rng.integers(len(sound) - longest)
            sound = sound[start : start + longest]
        if fade := min(len(sound) // 4, rate // 100):
            sound[:fade] *= np.linspace(0, 1, fade)
            sound[-fade:] *= np.linspace(1, 0, fade)
        snr_db = rng.uniform(*self._settings.snr_db)
        return sound * (self._floor * 10 ** (snr_db / 20) / (rms(sound) + 1e-9)), snr_db

    def _room(self, count: int) -> Samples:
        """Noise of RMS 1: pink, or three recordings of the background folder in turn."""
        if self._settings.background is None:
            return pink_noise(count, self._rng)
        files = sorted(path for path in self._settings.background.rglob("*") if path.suffix in AUDIO)
        if not files:
            raise DataError(f"{self._settings.background}: no recordings in this folder")
        parts = []
        for share in np.array_split(np.arange(count), 3):
            file = files[self._rng.integers(len(files))]
            samples = looped(read(file, self._settings.rate), len(share), self._settings.rate)
            parts.append(samples / (rms(samples) + 1e-9))
        return np.concatenate(parts)


def read(path: Path, rate: int) -> Samples:
    """Return a file's samples, mixed to mono and resampled; float32 (n,)."""
    samples, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono: Samples = samples.mean(axis=1)
    if own_rate == rate:
        return mono
    resampled: Samples = soxr.resample(mono, own_rate, rate)
    return resampled


def active_part(samples: Samples, rate: int, below_db: float = 35.0, pad_s: float = 0.05) -> Samples:
    """Return the span between the first and the last 20 ms frame within `below_db` of the loudest one."""
    hop = rate // 50
    frames = len(samples) // hop
    if frames == 0:
        return samples
    power = (samples[: frames * hop].reshape(frames, hop) ** 2).mean(axis=1) + 1e-12
    active = np.flatnonzero(10 * np.log10(power) > 10 * np.log10(power.max()) - below_db)
    pad = int(pad_s * rate)
    return samples[max(0, active[0] * hop - pad) : (active[-1] + 1) * hop + pad]


def pink_noise(count: int, rng: np.random.Generator) -> Samples:
    """Return noise of RMS 1 with 3 dB less power per octave."""
    spectrum = rng.standard_normal(count // 2 + 1) + 1j * rng.standard_normal(count // 2 + 1)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, count)
    normalised: Samples = noise / np.sqrt((noise**2).mean())
    return normalised


def reverberated(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """Add an exponentially decaying tail: RT60 0.1 to 0.5 s, direct-to-reverberant ratio 3 to 15 dB."""
    rt60_s = rng.uniform(0.1, 0.5)
    count = int(rt60_s * rate)
    tail = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / (rt60_s * rate))
    tail *= 10 ** (-rng.uniform(3, 15) / 20) / np.sqrt((tail**2).sum())
    response = np.concatenate([[1.0], tail])
    size = 1 << (len(samples) + len(response)).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples) + count]


def looped(samples: Samples, count: int, rate: int) -> Samples:
    """Repeat a recording to `count` samples, cross-fading its ends for a second."""
    fade = min(rate, len(samples) // 4)
    ramp = np.linspace(0, 1, fade)
    body = samples.copy()
    body[:fade] = body[:fade] * ramp + body[-fade:] * (1 - ramp)
    return np.tile(body[:-fade], -(-count // (len(body) - fade)))[:count]


def rms(samples: Samples) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt((samples**2).mean()))


def listed(
    metadata: Sequence[Path], folds: Sequence[str] = (), datasets: Sequence[str] = (), labels: Sequence[str] = ()
) -> Iterator[LabelledClip]:
    """Yield the clips of some listings.

    Args:
        metadata: CSV files with at least path, dataset, label and fold; paths are relative to the listing.
        folds: Folds to keep; all if empty.
        datasets: Data sets to keep; all if empty.
        labels: Labels to keep; all if empty.

    Raises:
        DataError: A listing cannot be read or lacks a column.
    """
    chosen = {"fold": folds, "dataset": datasets, "label": labels}
    for listing in metadata:
        try:
            with listing.open(newline="", encoding="utf-8") as lines:
                rows = list(csv.DictReader(lines))
            for row in rows:
                if all(not values or row[column] in values for column, values in chosen.items()):
                    yield LabelledClip(listing.parent / row["path"], row["path"], row["label"])
        except OSError as err:
            raise DataError(f"{listing}: {err.strerror}") from err
        except KeyError as err:
            raise DataError(f"{listing}: has no column {err}") from err


def write(out: Path, clips: Sequence[LabelledClip], settings: SceneSettings) -> int:
    """Make a scene and write OUT.wav and OUT.json. Returns the number of its events."""
    samples, events = SceneMaker(clips, settings).make()
    soundfile.write(f"{out}.wav", samples.astype(np.float32), settings.rate, subtype="PCM_16")
    truth = {"duration_s": len(samples) / settings.rate, "seed": settings.seed, "events": events}
    Path(f"{out}.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    return len(events)


def _event(clip: LabelledClip, onset_s: float, offset_s: float, snr_db: float) -> dict[str, Any]:
    return {
        "label": clip.label,
        "onset_s": round(onset_s, 3),
        "offset_s": round(offset_s, 3),
        "snr_db": round(snr_db, 1),
        "clip": clip.name,
    }


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    usual = SceneSettings()
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--metadata", action="append", type=Path, required=True, help="CSV; may be given several times")
    for name in ("folds", "datasets", "labels"):
        ap.add_argument(f"--{name}", default="", help="comma-separated; all if empty")
    ap.add_argument("--minutes", type=float, default=usual.minutes)
    ap.add_argument("--per-minute", type=float, default=usual.per_minute, help="mean events a minute")
    ap.add_argument("--snr", default="6,30", help="event RMS over the room's, dB: low,high")
    ap.add_argument("--floor-dbfs", type=float, default=usual.floor_dbfs)
    ap.add_argument("--background", type=Path, help="folder of recordings to use as the room instead of pink noise")
    ap.add_argument("--max-event-s", type=float, default=usual.max_event_s)
    ap.add_argument("--overlap", type=float, default=usual.overlap, help="chance of starting during the last event")
    ap.add_argument("--rate", type=int, default=usual.rate)
    ap.add_argument("--seed", type=int, default=usual.seed)
    ap.add_argument("--out", type=Path, required=True)
    return ap.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit status."""
    options = _options(argv)
    chosen = [tuple(filter(None, getattr(options, name).split(","))) for name in ("folds", "datasets", "labels")]
    low, high = map(float, options.snr.split(","))
    settings = SceneSettings(
        minutes=options.minutes,
        per_minute=options.per_minute,
        snr_db=(low, high),
        floor_dbfs=options.floor_dbfs,
        background=options.background,
        max_event_s=options.max_event_s,
        overlap=options.overlap,
        rate=options.rate,
        seed=options.seed,
    )
    try:
        clips = list(listed(options.metadata, *chosen))
        count = write(options.out, clips, settings)
    except DataError as err:
        print(err, file=sys.stderr)
        return 1
    print(f"{options.out}: {count} events of {len({clip.label for clip in clips})} labels in {options.minutes:g} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
