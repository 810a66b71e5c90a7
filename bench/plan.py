"""Which measurements to take, and their sizes."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"  # recordings and YAMNet, which are not part of the repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The length and number of measurements."""

    audio_s: float  # of sound, for the cost of the pipeline
    silence_s: float
    rounds: int  # alternating ours and theirs
    starts: int
    live_s: float  # of the daemon on a microphone in a quiet room
    plays: int  # recordings of each label, into the microphone
    load_s: float  # of a hundred events a second
    seeds: tuple[int, ...]  # of the scenes
    minutes: float  # of each scene
    live_minutes: float  # of the scene that is played into the microphone


FULL = Sizes(
    audio_s=60,
    silence_s=240,
    rounds=7,
    starts=5,
    live_s=30,
    plays=3,
    load_s=60,
    seeds=(1, 2),
    minutes=20,
    live_minutes=10,
)  # a quarter of an hour in all
QUICK = Sizes(
    audio_s=20, silence_s=60, rounds=3, starts=3, live_s=8, plays=1, load_s=10, seeds=(1,), minutes=3, live_minutes=2
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of the bench."""

    sizes: Sizes
    scratch: Path  # deleted afterwards
    shared: Path = SHARED
    bundle: str = "default"

    @property
    def settings(self) -> list[str]:
        """`key=value` overrides of listener's defaults."""
        return [f"model.bundle={self.bundle}"]

    @property
    def flags(self) -> list[str]:
        """Return the settings as flags. An empty file replaces this machine's configuration."""
        empty = self.scratch / "empty.toml"
        empty.touch()
        return ["--config", str(empty), *(part for setting in self.settings for part in ("--set", setting))]
