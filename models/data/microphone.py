"""What microphones, drivers and codecs do to a stream: gain control, noise suppression, few bits, pops, lost blocks.

Every change is drawn with its own probability and is the same for all labels, so that none is known by its data
set's bandwidth, codec or quantisation.
"""

import io
from collections.abc import Callable

import numpy as np
import soundfile
from scipy import signal  # type: ignore[import-untyped]

from listener.pipeline.values import Floats

RATE = 16_000
BLOCK = 320  # samples of a gain control's step
Change = Callable[[np.random.Generator, Floats], Floats]


def response(rng: np.random.Generator, size: int) -> Floats:
    """A microphone's and its converter's amplitude factors, float32 (size // 2 + 1,)."""
    frequency_hz = np.fft.rfftfreq(size, 1 / RATE)
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
    factors: Floats = (10 ** (np.maximum(gain_db, -90) / 20)).astype(np.float32)
    return factors


def heard(rng: np.random.Generator, wave: Floats) -> Floats:
    """The stream as some device delivers it, in 16 bits, float32 in -1..1."""
    for share, change in CHANGES:
        if rng.random() < share:
            wave = change(rng, wave)
    whole: Floats = np.clip(np.rint(wave * np.float32(32767)), -32768, 32767) * np.float32(1 / 32768)
    return whole


def gain_control(rng: np.random.Generator, wave: Floats) -> Floats:
    """An automatic gain that follows the level within 0.1 to 2 s, and raises silence by 20 dB at most."""
    blocks = len(wave) // BLOCK
    power = np.square(wave[: blocks * BLOCK]).reshape(blocks, BLOCK).mean(axis=1) + 1e-9
    forget = 1 - BLOCK / RATE / np.exp(rng.uniform(np.log(0.1), np.log(2.0)))
    level = signal.lfilter([1 - forget], [1, -forget], power, zi=[forget * power[0]])[0]
    gain = np.clip((10 ** (rng.uniform(-30, -15) / 10) / level) ** (0.5 * rng.uniform(0.4, 1.0)), 0.1, 10)
    gains = np.interp(np.arange(len(wave)), np.arange(blocks) * BLOCK, gain)
    return np.asarray(wave * gains, np.float32)


def suppress_noise(rng: np.random.Generator, wave: Floats) -> Floats:
    """A spectral gate of 32 ms windows, as cheap drivers have: what is near the noise floor falls by 6 to 20 dB."""
    _, _, spectrum = signal.stft(wave, RATE, nperseg=512, noverlap=256)
    power = np.square(np.abs(spectrum)) + 1e-12
    floor = np.percentile(power[:, ::4], 20, axis=1, keepdims=True)
    depth = 10 ** (-rng.uniform(6, 20) / 20)
    gain = np.clip(1 - rng.uniform(1.5, 4) * floor / power, depth, 1)
    gain[:, 1:] = 0.5 * gain[:, 1:] + 0.5 * gain[:, :-1]
    return np.asarray(signal.istft(spectrum * gain, RATE, nperseg=512, noverlap=256)[1][: len(wave)], np.float32)


def clipped(rng: np.random.Generator, wave: Floats) -> Floats:
    """A stage that is driven too hard: hard or soft."""
    drive = np.float32(10 ** (rng.uniform(1, 14) / 20))
    peak = np.float32(max(float(np.abs(wave).max()), 1e-6))
    driven = wave / peak * drive
    return np.asarray(peak * (np.clip(driven, -1, 1) if rng.random() < 0.5 else np.tanh(driven)), np.float32)


def few_bits(rng: np.random.Generator, wave: Floats) -> Floats:
    """Six to ten bits, with or without dither, of a stream that fills them or hardly does."""
    step = np.float32(2.0 ** -(int(rng.integers(6, 11)) - 1) * max(0.02, float(np.abs(wave).max())))
    dither = rng.random(len(wave), dtype=np.float32) - np.float32(0.5) if rng.random() < 0.7 else np.float32(0)
    return np.rint(wave / step + dither) * step


def mu_law(_rng: np.random.Generator, wave: Floats) -> Floats:
    """The eight bits of ITU-T G.711."""
    coded = np.rint(127 * np.sign(wave) * np.log1p(255 * np.minimum(np.abs(wave), 1)) / np.log(256)) / 127
    return np.asarray(np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255, np.float32)


def lossy(rng: np.random.Generator, wave: Floats) -> Floats:
    """Through Vorbis or MP3 at a low rate."""
    kind, subtype = (("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))[int(rng.integers(2))]
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format=kind, subtype=subtype, compression_level=rng.uniform(0.6, 1.0))
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0][: len(wave)]
    return np.pad(decoded, (0, len(wave) - len(decoded)))


def offset(rng: np.random.Generator, wave: Floats) -> Floats:
    """A constant, as cheap converters add."""
    return wave + np.float32(rng.normal(0, 0.02))


def start_pop(rng: np.random.Generator, wave: Floats) -> Floats:
    """The thump of a device that has just been opened: a constant that decays."""
    time_s = np.arange(RATE, dtype=np.float32) / RATE
    thump = rng.choice((-1, 1)) * rng.uniform(0.05, 0.9) * np.exp(-time_s / rng.uniform(0.005, 0.15))
    wave = wave.copy()
    wave[:RATE] += thump.astype(np.float32)
    return wave


def torn(rng: np.random.Generator, wave: Floats) -> Floats:
    """Blocks that were lost and left no gap, one to twelve of 10 to 200 ms; the end is repeated from the start."""
    kept = np.ones(len(wave), bool)
    for _ in range(int(rng.integers(1, 13))):
        start = int(rng.integers(len(wave)))
        kept[start : start + int(rng.uniform(0.01, 0.2) * RATE)] = False
    silent = rng.random() < 0.5
    return wave * kept if silent else np.where(kept, wave, np.roll(wave, int(rng.integers(160, 1600))))


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.15, gain_control),
    (0.12, suppress_noise),
    (0.08, clipped),
    (0.12, offset),
    (0.12, few_bits),
    (0.05, mu_law),
    (0.08, lossy),
    (0.04, torn),
    (0.06, start_pop),
)
