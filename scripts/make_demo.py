"""Write the demo recording and its ground truth: `python -m scripts.make_demo`.

Everything in it is synthesised, so it may be shipped. The model treats it like audio from a microphone.
"""

import json
from pathlib import Path

import numpy as np
import soundfile

from listener.pipeline.values import Floats
from models.data.rooms import room_noise, room_response
from models.data.synthesis import synthesise

ASSETS = Path(__file__).resolve().parents[1] / "listener" / "assets"
RATE = 16_000
SECONDS = 72.0
ROOM_DBFS = -62.0
SEED = 20_261

# label, seed, start in s, length in s, RMS level in dBFS
# The sounds are chosen among those that the shipped model names: this shows what events look like, it is no test.
SCORE = (
    ("doorbell", 9001, 4.0, 4.0, -26.0),
    ("appliance_beep", 9005, 12.0, 6.0, -26.0),
    ("telephone_ring", 9002, 22.0, 8.0, -26.0),
    ("siren", 9001, 33.0, 7.0, -28.0),
    ("co_alarm", 9005, 43.0, 12.0, -22.0),
    ("smoke_alarm", 9004, 58.0, 12.0, -22.0),
)


def main() -> None:
    """Write demo.ogg and demo.json beside the model."""
    rng = np.random.default_rng(SEED)
    scene = room_noise(rng, int(SECONDS * RATE), RATE) * np.float32(10 ** (ROOM_DBFS / 20))
    events = []
    for label, seed, start_s, length_s, level_dbfs in SCORE:
        dry = synthesise(label, seed, length_s, RATE)
        wet = in_room(dry, np.random.default_rng(seed), level_dbfs)
        begin = int(start_s * RATE)
        scene[begin : begin + len(wet)] += wet[: len(scene) - begin]
        offset_s = start_s + sounding_s(dry)
        snr_db = level_dbfs - ROOM_DBFS
        events.append({"label": label, "onset_s": start_s, "offset_s": round(offset_s, 2), "snr_db": snr_db})
    soundfile.write(ASSETS / "demo.ogg", np.clip(scene, -0.99, 0.99), RATE, format="OGG", subtype="VORBIS")
    truth = {"duration_s": SECONDS, "seed": SEED, "events": events}
    (ASSETS / "demo.json").write_text(json.dumps(truth, indent=1) + "\n")


def in_room(dry: Floats, rng: np.random.Generator, level_dbfs: float) -> Floats:
    """Add the reverberation of a room, and scale to a level."""
    wet = np.convolve(dry, room_response(rng, RATE)).astype(np.float32)
    return wet * np.float32(10 ** (level_dbfs / 20) / (np.sqrt(np.square(wet).mean()) + 1e-9))


def sounding_s(dry: Floats) -> float:
    """The length up to the last sample within 40 dB of the peak, in seconds."""
    return float(np.flatnonzero(np.abs(dry) > 0.01 * np.abs(dry).max())[-1]) / RATE


if __name__ == "__main__":
    main()
