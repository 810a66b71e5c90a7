"""The numbers of the mixing: what streams are made of."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from listener.pipeline.features import FeatureSpec
from models.data.labels import CITY

# Synthesised sounds of each label or distractor.
VARIANTS = {
    "smoke_alarm": 700, "co_alarm": 200, "alarm": 300, "low_battery_chirp": 150, "doorbell": 400,
    "telephone_ring": 300, "alarm_clock": 250, "appliance_beep": 300, "notification": 250, "siren": 60,
    "tone": 150, "sweep": 60, "whistle": 60,
}  # fmt: skip
DISTRACTORS = ("tone", "sweep", "whistle")  # synthesised without a label
# Noise themselves: not to be told from a room's noise that is as loud.
NOISE_LIKE = ("air_conditioner", "airplane", "engine", "helicopter", "rain", "sea_waves", "wind", "vacuum_cleaner")
# Audible far below the level of the rest, for all of their power is in a narrow band; silent between their pulses.
ALARMS = ("smoke_alarm", "co_alarm", "alarm")


def _weights() -> dict[str, float]:
    """How often labels are drawn, beside 1."""
    return {
        "smoke_alarm": 2.2, "co_alarm": 0.8, "alarm": 1.2, "low_battery_chirp": 0.6, "doorbell": 1.4,
        "telephone_ring": 1.0, "appliance_beep": 0.9, "notification": 0.8, "speech": 2.0, "music": 1.6,
        "glass_break": 1.4, "baby_cry": 1.4, "siren": 1.3, "dog_bark": 1.2, "footsteps": 1.2, "crickets": 0.3,
        "gun_shot": 0.7,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mixing:
    """The streams of a pool. Levels in dB, times in seconds, probabilities 0..1."""

    seed: int = 1
    labels: tuple[str, ...] = CITY
    streams: int = 24_000
    spec: FeatureSpec = field(default_factory=FeatureSpec)

    free: float = 0.75  # share of streams of free recordings only
    label_weights: dict[str, float] = field(default_factory=_weights)
    distractors: float = 0.1  # share of events without a label
    source_balance: float = 0.5  # 0: every cut alike; 1: every recording alike, however many cuts it gave
    variants: dict[str, int] = field(default_factory=lambda: dict(VARIANTS))
    rooms: int = 80
    responses: int = 100
    noises: int = 80

    events: tuple[float, ...] = (0.08, 0.24, 0.28, 0.22, 0.12, 0.06)  # shares of streams with 0, 1, 2 … events
    repeats: float = 0.3  # share of short sounds that come again
    speed: tuple[float, float] = (0.8, 1.25)
    alarm_speed: tuple[float, float] = (0.95, 1.05)  # their rhythm is their meaning
    unchanged_speed: float = 0.35
    far: float = 0.55  # share of events that are heard through the room
    snr_db: tuple[float, float] = (0.0, 36.0)
    clean: float = 0.25  # share of streams whose noise is next to nothing
    recorded_noise: float = 0.2  # share of streams over a recorded room
    hum: float = 0.15
    second_db: tuple[float, float] = (-14.0, 6.0)  # a further sound beside the first
    bed: float = 0.2  # share of streams with talk or music throughout
    bed_db: tuple[float, float] = (-30.0, 0.0)
    bed_audible_db: float = -12.0  # below, nobody could say whether it is to be named
    inaudible_db: float = 9.0  # below the rest: masked
    inaudible_noise_db: float = 2.0  # likewise, for what is noise itself
    inaudible_tone_db: float = 16.0  # likewise, for alarms
    peak_dbfs: tuple[float, float] = (-45.0, -1.0)

    def __post_init__(self) -> None:
        shares = (
            "free", "distractors", "source_balance", "repeats", "unchanged_speed", "far", "clean", "recorded_noise",
            "hum", "bed",
        )  # fmt: skip
        least = {"rooms": 1, "responses": 1, "noises": 1, "speed": 0.1, "alarm_speed": 0.1}
        none = ("seed", "streams", "label_weights", "variants", "events")
        check(self, shares, dict.fromkeys(none, 0) | least)
        if not math.isclose(sum(self.events), 1, abs_tol=1e-6):
            raise ValueError(f"events {self.events}: the shares must add up to 1")


def check(part: Any, shares: Collection[str], least: Mapping[str, float]) -> None:
    """Raise ValueError for a number that is infinite, a share outside 0..1, or a value below its least."""
    for name in (item.name for item in fields(part)):
        value = getattr(part, name)
        for number in _numbers(value):
            if not math.isfinite(number):
                raise ValueError(f"{name} {value}: must be finite")
            if name in shares and not 0 <= number <= 1:
                raise ValueError(f"{name} {value}: must be from 0 to 1")
            if number < least.get(name, -math.inf):
                raise ValueError(f"{name} {value}: must be {least[name]:g} or more")


def _numbers(value: Any) -> list[float]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
    return [part for part in parts if isinstance(part, int | float)]
