"""What is played to the daemons."""

from pathlib import Path

import numpy as np

from bench import sounds
from models.synthesis import synthesise

RATE = 16_000


def with_alarm(path: Path) -> Path:
    """Twelve seconds of a room, half of them with a smoke alarm: as many events as there can be."""
    room = sounds.room_noise(12, RATE)
    room[2 * RATE : 8 * RATE] += 0.3 * synthesise("smoke_alarm", 7, 6.0, RATE)
    return sounds.write(path, np.clip(room, -1, 1), RATE)
