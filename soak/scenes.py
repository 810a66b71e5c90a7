"""The recordings that are played to the daemons."""

from pathlib import Path

import numpy as np

from bench import sounds
from models.data.synthesis import synthesise

RATE = 16_000


def with_alarm(path: Path) -> Path:
    """Fifteen seconds of a room with six seconds of a smoke alarm; its event ends six seconds later."""
    room = sounds.room_noise(15, RATE)
    room[2 * RATE : 8 * RATE] += 0.3 * synthesise("smoke_alarm", 7, 6.0, RATE)
    return sounds.write(path, np.clip(room, -1, 1), RATE)
