"""Gates decide whether a frame may hold a sound. They save power and never decide what a sound is."""

from collections import deque
from math import log10
from typing import Annotated, Literal

import numpy as np
import webrtcvad

from listener.base.schema import Meta, Section
from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Flags, Floats, Frames, Gate

BANDS = 8
BANDS_HZ = (100.0, 7_600.0)
FLOOR_RISE_DB = 0.02  # per frame, so 1 dB/s: slower than the onset of any sound that is to be reported
FLOOR_FALL = 0.05  # share of the distance per frame: the end of a noise is followed within half a second
FIRST_FLOOR_DB = -85.0  # low, so that a sound that is under way when the stream opens passes
FIRST_RISE_DB = 0.2  # the floor then reaches the room's level in seconds, not in a minute
FIRST_FRAMES = 200
RISE, FALL = 0.5, 0.9  # smoothing of band power: 20 ms spectra of steady noise fluctuate, but an end must show at once
GateKind = Literal["either", "webrtc", "bands", "open"]


class GateConfig(Section, frozen=True):
    """When audio is classified. The gate saves power; it never decides what a sound is."""

    kind: Annotated[GateKind, Meta(description="either (webrtc or bands), webrtc, bands, or open (always)")] = "either"
    vad_mode: Annotated[int, Meta(ge=0, le=3, description="WebRTC VAD: 0 misses least, 3 opens least often")] = 1
    rise_db: Annotated[float, Meta(ge=1, le=40, description="bands: rise of a band above its noise floor")] = 9.0
    hang_over_s: Annotated[float, Meta(ge=0, le=30, description="it closes this long after the last active frame")] = (
        1.0
    )


class OpenGate:
    """A gate that is always open."""

    floor_dbfs: float | None = None

    def __call__(self, frames: Frames) -> Flags:
        """Return the active frames, bool (frames,)."""
        return np.ones(len(frames), np.bool_)


class WebRtcGate:
    """WebRTC's voice activity detector, open if it flags 3 of the last 5 frames.

    A short run instead of a long ring: measured over room scenes, it opens within 50 ms of a sound (median).
    """

    floor_dbfs: float | None = None

    def __init__(self, sample_rate: int, mode: int) -> None:
        self._rate = sample_rate
        self._vad = webrtcvad.Vad(mode)
        self._flags: deque[bool] = deque(maxlen=5)

    def __call__(self, frames: Frames) -> Flags:
        """Return the active frames, bool (frames,)."""
        return np.array([self._is_open(pcm.tobytes()) for pcm in frames.pcm], np.bool_)

    def _is_open(self, pcm: bytes) -> bool:
        self._flags.append(self._vad.is_speech(pcm, self._rate))
        return sum(self._flags) >= 3


class BandsGate:
    """Open if two of eight log-spaced bands exceed their slowly tracked floors by `rise_db` in two frames running."""

    def __init__(self, sample_rate: int, rise_db: float) -> None:
        samples = sample_rate // 50
        self._rise_db = rise_db
        window = np.hanning(samples)
        # scaled so that white noise keeps its level in dBFS
        self._window = (window / np.sqrt(np.square(window).sum()) / FULL_SCALE).astype(np.float32)
        self._bands = _band_matrix(samples, sample_rate)
        self._power = [0.0] * BANDS
        self._floor_db = [FIRST_FLOOR_DB] * BANDS
        self._level_floor_dbfs = SILENT_DBFS
        self._frames = 0
        self._risen = False

    @property
    def floor_dbfs(self) -> float | None:
        """Background level that the gate tracks, or None."""
        return self._level_floor_dbfs

    def __call__(self, frames: Frames) -> Flags:
        """Return the active frames, bool (frames,)."""
        powers, levels = self._band_powers(frames), frames.levels_dbfs.tolist()
        return np.array([self._is_open(power, level) for power, level in zip(powers, levels, strict=True)], np.bool_)

    def _is_open(self, powers: list[float], level_dbfs: float) -> bool:
        self._frames += 1
        rise_db = FIRST_RISE_DB if self._frames < FIRST_FRAMES else FLOOR_RISE_DB
        risen = 0
        smoothed, floors_db = self._power, self._floor_db
        for band, power in enumerate(powers):  # a loop, because eight numbers are too few for numpy
            before = smoothed[band]
            smoothed[band] = now = before + (RISE if power > before else FALL) * (power - before)
            over_db = 10 * log10(now + 1e-12) - floors_db[band]
            floors_db[band] += rise_db if over_db > 0 else over_db * FLOOR_FALL
            risen += over_db > self._rise_db
        over_db = level_dbfs - self._level_floor_dbfs
        self._level_floor_dbfs += rise_db if over_db > 0 else over_db * FLOOR_FALL
        was_risen, self._risen = self._risen, risen >= 2
        return was_risen and self._risen

    def _band_powers(self, frames: Frames) -> list[list[float]]:
        parts = np.fft.rfft(frames.pcm * self._window, axis=1).view(np.float32)  # real and imaginary parts in turn
        parts *= parts
        powers: list[list[float]] = (parts @ self._bands).tolist()
        return powers


class EitherGate:
    """Open if any of several gates is."""

    def __init__(self, *gates: Gate) -> None:
        self._gates = gates

    @property
    def floor_dbfs(self) -> float | None:
        """Background level that the gate tracks, or None."""
        return next((gate.floor_dbfs for gate in self._gates if gate.floor_dbfs is not None), None)

    def __call__(self, frames: Frames) -> Flags:
        """Return the active frames, bool (frames,)."""
        flags: Flags = np.logical_or.reduce([gate(frames) for gate in self._gates])  # all of them, as each has state
        return flags


def make(config: GateConfig, sample_rate: int) -> Gate:
    """Return a new gate for one stream."""
    if config.kind == "open":
        return OpenGate()
    if config.kind == "webrtc":
        return WebRtcGate(sample_rate, config.vad_mode)
    if config.kind == "bands":
        return BandsGate(sample_rate, config.rise_db)
    return EitherGate(WebRtcGate(sample_rate, config.vad_mode), BandsGate(sample_rate, config.rise_db))


def _band_matrix(samples: int, sample_rate: int) -> Floats:
    """Mean power per band from the squared parts of a spectrum: float32 (2 * (samples // 2 + 1), bands)."""
    edges = np.geomspace(BANDS_HZ[0], min(BANDS_HZ[1], 0.475 * sample_rate), BANDS + 1)
    hz = np.fft.rfftfreq(samples, 1 / sample_rate)
    member = (hz >= edges[:-1, None]) & (hz < edges[1:, None])
    mean = (member / member.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.ascontiguousarray(np.repeat(mean, 2, axis=1).T)
