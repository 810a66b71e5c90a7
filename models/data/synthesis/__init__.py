"""Sounds that can be made faithfully, because a standard or plain physics says what they are."""

from collections.abc import Callable

import numpy as np

from listener.pipeline.values import Floats
from models.data.synthesis import alarms, distractors, home, outdoors

Generator = Callable[[np.random.Generator, int, float], Floats]  # (rng, rate in Hz, seconds) -> samples

GENERATORS: dict[str, Generator] = {
    "smoke_alarm": alarms.smoke_alarm,
    "co_alarm": alarms.co_alarm,
    "alarm": alarms.other_alarm,
    "low_battery_chirp": alarms.low_battery_chirp,
    "doorbell": home.doorbell,
    "telephone_ring": home.telephone_ring,
    "alarm_clock": home.alarm_clock,
    "appliance_beep": home.appliance_beep,
    "notification": home.notification,
    "siren": outdoors.siren,
    "rain": outdoors.rain,
    "clock_tick": outdoors.clock_tick,
    "tone": distractors.tone,
    "sweep": distractors.sweep,
    "whistle": distractors.whistle,
}
STANDARD = ("smoke_alarm", "co_alarm", "doorbell", "telephone_ring", "appliance_beep")  # known by synthesis alone


def synthesise(label: str, seed: int, duration_s: float, rate: int = 16_000) -> Floats:
    """A dry sound of the label, float32 in -1..1, the same for the same seed. KeyError for labels not made here."""
    rng = np.random.default_rng([seed, *label.encode()])
    wave = GENERATORS[label](rng, rate, duration_s)
    peak = max(1.0, float(np.abs(wave).max()))
    return (wave / peak).astype(np.float32)
