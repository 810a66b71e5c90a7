"""Gates: is there anything to hear in this frame? They save power and never decide what a sound is."""

from collections import deque
from math import log10
from typing import Annotated, Literal

import numpy as np
import webrtcvad

from listener.base.schema import Meta, Section
from listener.pipeline.values import FULL_SCALE, SILENT_DBFS, Floats, Frame, Gate

BANDS = 8
BANDS_HZ = (100.0, 7_600.0)
FLOOR_RISE_DB = 0.02  # a frame, so 1 dB/s: slower than any sound that is to be reported begins
FLOOR_FALL = 0.05  # share of the way down a frame, so that the end of a noise is followed within half a second
FIRST_FLOOR_DB = -85.0  # low, so that a stream that opens in the middle of a sound is heard;
FIRST_RISE_DB = 0.2  # and then it comes up to the room's in seconds, not in a minute
FIRST_FRAMES = 200
RISE, FALL = 0.5, 0.9  # smoothing of band power: 20 ms spectra of steady noise are rough,
# but the end of a sound is to be seen when it comes

GateKind = Literal["either", "webrtc", "bands", "open"]


class GateConfig(Section, frozen=True):
    """When something is to be heard. The gate saves power; it never decides what a sound is."""

    kind: Annotated[GateKind, Meta(description="either (webrtc or bands), webrtc, bands, or open (always)")] = "either"
    vad_mode: Annotated[int, Meta(ge=0, le=3, description="WebRTC VAD: 0 misses least, 3 opens least")] = 1
    rise_db: Annotated[float, Meta(ge=1, le=40, description="bands: how far over its floor a band must stand")] = 9.0
    hang_over_s: Annotated[float, Meta(ge=0, le=30, description="stays open so long after the last active frame")] = 1.0


class OpenGate:
    """Always open."""

    floor_dbfs: float | None = None

    def __call__(self, frame: Frame) -> bool:  # noqa: ARG002
        return True


class WebRtcGate:
    """WebRTC's voice activity detector, open when 3 of the last 5 frames were flagged.

    A short run, not a full ring: measured over room scenes it opens within 50 ms of a sound (median).
    """

    floor_dbfs: float | None = None

    def __init__(self, sample_rate: int, mode: int) -> None:
        self._rate = sample_rate
        self._vad = webrtcvad.Vad(mode)
        self._flags: deque[bool] = deque(maxlen=5)

    def __call__(self, frame: Frame) -> bool:
        self._flags.append(self._vad.is_speech(frame.pcm.tobytes(), self._rate))
        return sum(self._flags) >= 3


class BandsGate:
    """Open when two of eight log-spaced bands stand `rise_db` over their own slowly tracked floors for two frames."""

    def __init__(self, sample_rate: int, rise_db: float) -> None:
        samples = sample_rate // 50
        self._rise_db = rise_db
        window = np.hanning(samples)
        self._window = (window / np.sqrt(np.square(window).sum()) / FULL_SCALE).astype(
            np.float32
        )  # white noise keeps its dBFS
        self._bands = _band_matrix(samples, sample_rate)
        self._power = [0.0] * BANDS
        self._floor_db = [FIRST_FLOOR_DB] * BANDS
        self._level_floor = SILENT_DBFS
        self._frames = 0
        self._risen = False

    @property
    def floor_dbfs(self) -> float | None:
        return self._level_floor

    def __call__(self, frame: Frame) -> bool:
        self._frames += 1
        rise_db = FIRST_RISE_DB if self._frames < FIRST_FRAMES else FLOOR_RISE_DB
        risen = 0
        smoothed, floors_db = self._power, self._floor_db
        for band, power in enumerate(self._band_powers(frame)):  # a loop: eight numbers are too few for numpy
            before = smoothed[band]
            smoothed[band] = now = before + (RISE if power > before else FALL) * (power - before)
            over_db = 10 * log10(now + 1e-12) - floors_db[band]
            floors_db[band] += rise_db if over_db > 0 else over_db * FLOOR_FALL
            risen += over_db > self._rise_db
        over_db = frame.level_dbfs - self._level_floor
        self._level_floor += rise_db if over_db > 0 else over_db * FLOOR_FALL
        was_risen, self._risen = self._risen, risen >= 2
        return was_risen and self._risen

    def _band_powers(self, frame: Frame) -> list[float]:
        parts = np.fft.rfft(frame.pcm * self._window).view(np.float32)  # real and imaginary parts in turn
        parts *= parts
        powers: list[float] = (self._bands @ parts).tolist()
        return powers


class EitherGate:
    """Open when any of several is. Each sees every frame."""

    def __init__(self, *gates: Gate) -> None:
        self._gates = gates

    @property
    def floor_dbfs(self) -> float | None:
        return next((gate.floor_dbfs for gate in self._gates if gate.floor_dbfs is not None), None)

    def __call__(self, frame: Frame) -> bool:
        said = [gate(frame) for gate in self._gates]  # all are asked: each keeps state
        return any(said)


def make(config: GateConfig, sample_rate: int) -> Gate:
    """The gate that the configuration asks for, new, for one stream."""
    if config.kind == "open":
        return OpenGate()
    if config.kind == "webrtc":
        return WebRtcGate(sample_rate, config.vad_mode)
    if config.kind == "bands":
        return BandsGate(sample_rate, config.rise_db)
    return EitherGate(WebRtcGate(sample_rate, config.vad_mode), BandsGate(sample_rate, config.rise_db))


def _band_matrix(samples: int, sample_rate: int) -> Floats:
    """Mean power of each band from the squared parts of a spectrum: float32 (bands, 2 * (samples // 2 + 1))."""
    edges = np.geomspace(BANDS_HZ[0], min(BANDS_HZ[1], 0.475 * sample_rate), BANDS + 1)
    hz = np.fft.rfftfreq(samples, 1 / sample_rate)
    member = (hz >= edges[:-1, None]) & (hz < edges[1:, None])
    mean = (member / member.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.repeat(mean, 2, axis=1)
