"""Every number that decides what a training run makes. It travels with the checkpoint and the bundle.

`Mixing` says what is heard, `Shape` what hears it, `Recipe` how the one learns from the other.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from listener.pipeline.features import FeatureSpec
from models.data.synthesis import STANDARD

RECORDED = (
    "air_conditioner", "baby_cry", "car_horn", "chainsaw", "children_playing", "clock_tick", "dog_bark", "drilling",
    "engine_idling", "fire_crackling", "gun_shot", "helicopter", "jackhammer", "rain", "rooster", "sea_waves", "siren",
    "sneeze", "street_music", "speech", "music",
)  # fmt: skip
LABELS = RECORDED + STANDARD
# Heard in one, perhaps: neither true nor false where the other was put in.
AKIN = (("music", "street_music"), ("speech", "children_playing"))
# Told apart by their cadence alone, so not before some of it was heard.
BEEPING = ("smoke_alarm", "co_alarm", "appliance_beep")

# Noise themselves: not to be told from a room's noise that is as loud.
NOISE_LIKE = ("air_conditioner", "engine_idling", "helicopter", "rain", "sea_waves")

# Of a shape: what a body of YAMNet's layers does not have.
OF_STAGES = ("widths", "frequency", "sub_bands", "tall", "harmonics", "modulation")
# What recipes were before they could say it: networks of our own stages, in bands of Slaney's scale.
UNSAID_SHAPE, UNSAID_SPEC = {"pretrained": 0}, {"mel_scale": "slaney"}

# Of the front end: bank and rooms are made at its rate, frames of targets for its columns, losses for its scale.
FIXED = ("sample_rate", "clip_samples", "fft", "hop", "scale_db")

FrontEnd = Literal["log-mel", "mfcc", "plp", "pcen", "log-mel and pcen"]


def _weights() -> dict[str, float]:
    """How often labels are drawn, beside 1: what is made by rule is soon learned, and of music there is little."""
    return dict.fromkeys(STANDARD, 0.7) | {"music": 0.7, "speech": 0.9}


@dataclass(frozen=True, slots=True)
class Mixing:
    """The clips of a pool. Levels in dB, times in seconds, probabilities 0..1."""

    seed: int = 1
    labels: tuple[str, ...] = LABELS
    clips: int = 100_000
    spec: FeatureSpec = field(default_factory=FeatureSpec)

    label_weights: dict[str, float] = field(default_factory=_weights)
    source_balance: float = 0.5  # 0: every cut alike; 1: every recording alike, however many cuts it gave
    variants: int = 300  # synthesised sounds of each label that is made so
    siren_variants: int = 40
    rooms: int = 150
    responses: int = 250
    noises: int = 200

    sounds_in_clip: tuple[float, ...] = (0.09, 0.54, 0.28, 0.09)  # shares of clips with 0, 1, 2, 3 sounds
    speed: tuple[float, float] = (0.8, 1.25)
    cadence_speed: tuple[float, float] = (0.97, 1.03)  # of alarms: their pattern is their meaning
    unchanged_speed: float = 0.35
    snr_db: tuple[float, float] = (0.0, 34.0)
    clean: float = 0.3  # share of clips with sounds whose noise is next to nothing
    second_db: tuple[float, float] = (-10.0, 5.0)  # a further sound beside the first
    underneath: float = 0.15  # share of clips with talk or music far below the sounds
    underneath_db: tuple[float, float] = (-30.0, -14.0)
    inaudible_db: float = 9.0  # below the rest: masked
    inaudible_noise_db: float = 2.0  # likewise, for what is noise itself
    peak_dbfs: tuple[float, float] = (-45.0, -1.0)
    padded: float = 0.22  # share of clips whose front was not heard
    wet_recordings: float = 0.3
    glimpse_s: float = 0.2  # less of a longer sound than this is masked
    cadence_s: float = 1.2  # less of a beeping sound than this may be another

    def __post_init__(self) -> None:
        shares = ("source_balance", "unchanged_speed", "clean", "underneath", "padded", "wet_recordings")
        least = {"rooms": 1, "responses": 1, "noises": 1, "speed": 0.1, "cadence_speed": 0.1}
        none = (
            "seed", "clips", "label_weights", "variants", "siren_variants", "sounds_in_clip", "glimpse_s", "cadence_s",
        )  # fmt: skip
        _check(self, shares, dict.fromkeys(none, 0) | least)
        if not math.isclose(sum(self.sounds_in_clip), 1, abs_tol=1e-6):
            raise ValueError(f"sounds_in_clip {self.sounds_in_clip}: its shares must add up to 1")
        given, usual = asdict(self.spec), asdict(FeatureSpec())
        if other := [f"{name} {given[name]:g} (not {usual[name]:g})" for name in FIXED if given[name] != usual[name]]:
            raise ValueError(f"spec: {', '.join(other)}: the mixing, the targets and the losses are made for one alone")


@dataclass(frozen=True, slots=True)
class Shape:
    """The network. Each answer to a fault of spectrogram CNNs can be switched off, to measure it."""

    pretrained: int = 12  # layers of YAMNet that are the body; 0: stages of our own
    frozen: int = 6  # of those layers: they stay as they are
    widths: tuple[int, int, int, int] = (16, 32, 64, 96)  # of stages of our own; see OF_STAGES for what else is
    hidden: int = 128  # of each frame's description
    embedding: int = 128
    level_free: bool = True  # the clip's mean level is taken away before anything else
    frequency: bool = True  # a channel that tells each row its frequency
    sub_bands: int = 1  # normalised apart from each other (sub-spectral normalisation)
    tall: int = 3  # mels that the kernel of the second stage spans
    harmonics: bool = False  # channels that show each row its octave above and below
    modulation: int = 0  # channels that are made of the modulation spectrum: how fast each band pulses
    serial: Literal["none", "conv", "gru"] = "conv"  # what lets frames hear each other
    pooling: Literal["attention", "mean", "max"] = "attention"

    def __post_init__(self) -> None:
        least = dict.fromkeys(("widths", "hidden", "embedding", "sub_bands", "tall"), 1)
        _check(self, (), least | {"modulation": 0, "frozen": 0})
        if self.pretrained and not 7 <= self.pretrained <= 12:
            raise ValueError(
                f"pretrained {self.pretrained}: 7 to 12 of YAMNet's layers can be a body, or 0 for our own"
            )
        if self.pretrained and self.frozen > self.pretrained:
            raise ValueError(f"frozen {self.frozen}: of {self.pretrained} layers no more can stay as they are")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run over a pool."""

    mixing: Mixing = field(default_factory=Mixing)
    shape: Shape = field(default_factory=Shape)
    front_end: FrontEnd = "log-mel and pcen"
    seed: int = 1
    leave_out_fold: int | None = None  # kept for the test
    fewer_folds: tuple[int, ...] = ()  # left out as well, to see what less data gives
    leave_out_labels: tuple[str, ...] = ()
    leave_out_datasets: tuple[str, ...] = ()

    steps: int = 1500
    batch: int = 64
    peak_rate: float = 3e-3  # of the one-cycle schedule
    pretrained_rate: float = 0.15  # of YAMNet's layers, beside it
    weight_decay: float = 0.02
    ema_decay: float = 0.998  # warmed up: less in the first steps
    dropout: float = 0.2

    mixtures: bool = True  # or only the pool's clips of one sound, and of none
    pairs: float = 0.35  # share of clips to which another is added
    pair_db: tuple[float, float] = (-15.0, 3.0)  # that other beside the first
    gain_db: float = 6.0  # either way
    mix_style: float = 0.3  # share of batches whose frequency-wise statistics are swapped (Freq-MixStyle)
    masks: float = 0.5  # share of clips that lose a band
    response_db: float = 0.0  # deviation of a further device response
    pitch_rows: int = 0  # mels that a clip is moved by, at most

    frame_loss: float = 0.5
    teacher_loss: float = 0.0  # in two runs mixtures did not gain, files of UrbanSound8K did: see the report
    contrast_loss: float = 0.3

    def __post_init__(self) -> None:
        least = {"batch": 1, "leave_out_fold": 1, "fewer_folds": 1}
        none = (
            "seed", "steps", "peak_rate", "pretrained_rate", "weight_decay", "pitch_rows", "frame_loss", "teacher_loss",
            "contrast_loss",
        )  # fmt: skip
        _check(self, ("ema_decay", "dropout", "pairs", "mix_style", "masks"), dict.fromkeys(none, 0) | least)
        if strangers := set(self.leave_out_labels) - set(self.mixing.labels):
            raise ValueError(f"leave_out_labels: the pool has no {', '.join(sorted(strangers))}")

    @property
    def left_out(self) -> tuple[int, ...]:
        """The folds that are not trained on."""
        return self.fewer_folds if self.leave_out_fold is None else (self.leave_out_fold, *self.fewer_folds)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the network answers, in this order."""
        return tuple(label for label in self.mixing.labels if label not in self.leave_out_labels)

    @property
    def spec(self) -> FeatureSpec:
        """The front end of the pool's clips."""
        return self.mixing.spec


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, for a checkpoint that is loaded with weights_only."""
    return asdict(recipe)


def from_plain(plain: dict[str, Any]) -> Recipe:
    """The recipe in a checkpoint; keys it does not know are an error of version."""
    mixing = dict(plain["mixing"])
    mixing["spec"] = _known(FeatureSpec, UNSAID_SPEC | mixing["spec"])
    shape = _known(Shape, UNSAID_SHAPE | plain["shape"])
    recipe: Recipe = _known(Recipe, {**plain, "mixing": _known(Mixing, mixing), "shape": shape})
    return recipe


def _check(part: Any, shares: Collection[str], least: Mapping[str, float]) -> None:
    """ValueError names a number that cannot be: an infinite one, a share outside 0..1, one below its least."""
    for name in (item.name for item in fields(part)):
        value = getattr(part, name)
        for number in _numbers(value):
            if not math.isfinite(number):
                raise ValueError(f"{name} {value}: a finite number is needed")
            if name in shares and not 0 <= number <= 1:
                raise ValueError(f"{name} {value}: a share is from 0 to 1")
            if number < least.get(name, -math.inf):
                raise ValueError(f"{name} {value}: must be {least[name]:g} or more")


def _numbers(value: Any) -> list[float]:
    """The numbers in a field's value."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
    return [part for part in parts if isinstance(part, int | float)]


def _known(kind: type[Any], plain: dict[str, Any]) -> Any:
    if strangers := set(plain) - {item.name for item in fields(kind)}:
        raise ValueError(f"the checkpoint's recipe has {', '.join(sorted(strangers))}: train again with this version")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})
