"""Every number that decides what a training run makes. It travels with the checkpoint and the bundle.

`Mixing` says what the streams are, `Shape` what the network is, `Recipe` how the one learns from the other.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from listener.pipeline.features import FeatureSpec
from models.data.labels import BY_ID
from models.data.mixing import Mixing, check
from models.network.shape import Shape


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run over a pool.

    In the first phase the early layers stay as YAMNet has them, so their output is computed once for each stream.
    In the second phase all layers learn, at a low rate.
    """

    mixing: Mixing = field(default_factory=Mixing)
    shape: Shape = field(default_factory=Shape)
    seed: int = 1
    start: str = ""  # checkpoint that the weights are taken from in place of YAMNet's
    free: bool = True  # only free recordings, and no label that needs others
    leave_out_fold: int | None = None  # kept for the test
    fewer_folds: tuple[int, ...] = ()  # left out as well, to see what less data gives
    leave_out_labels: tuple[str, ...] = ()
    leave_out_datasets: tuple[str, ...] = ()

    streams: int = 24_000  # of the pool, at most
    steps: int = 3000  # of the first phase
    batch: int = 48  # streams
    peak_rate: float = 2e-3  # of the one-cycle schedule
    pretrained_rate: float = 0.15  # of YAMNet's layers, beside it
    whole_steps: int = 150  # of the second phase
    whole_batch: int = 16
    whole_rate: float = 3e-4
    anchor: float = 0.02  # pulls the early layers towards YAMNet's weights (L2-SP)
    weight_decay: float = 0.02
    ema_decay: float = 0.998  # warmed up: less in the first steps
    dropout: float = 0.2

    clip_loss: float = 6.0
    frame_loss: float = 4.0
    teacher_loss: float = 0.2
    contrast_loss: float = 0.15

    def __post_init__(self) -> None:
        least = {"batch": 1, "whole_batch": 1, "leave_out_fold": 1, "fewer_folds": 1}
        none = (
            "seed", "steps", "whole_steps", "peak_rate", "pretrained_rate", "whole_rate", "anchor", "weight_decay",
            "clip_loss", "frame_loss", "teacher_loss", "contrast_loss",
        )  # fmt: skip
        check(self, ("ema_decay", "dropout"), dict.fromkeys(none, 0) | least)
        if strangers := set(self.leave_out_labels) - set(self.mixing.labels):
            raise ValueError(f"leave_out_labels: the pool has no {', '.join(sorted(strangers))}")

    @property
    def left_out(self) -> tuple[int, ...]:
        """The folds that are not trained on."""
        return self.fewer_folds if self.leave_out_fold is None else (self.leave_out_fold, *self.fewer_folds)

    @property
    def labels(self) -> tuple[str, ...]:
        """The network's labels, in the order of its scores."""
        return tuple(label for label in self.mixing.labels if label not in self.leave_out_labels and self._may(label))

    @property
    def total_steps(self) -> int:
        """The steps of both phases."""
        return self.steps + self.whole_steps

    @property
    def spec(self) -> FeatureSpec:
        """The front end of the pool's streams."""
        return self.mixing.spec

    def _may(self, label: str) -> bool:
        return not (self.free and label in BY_ID and BY_ID[label].city)


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, for a checkpoint that is loaded with weights_only."""
    return asdict(recipe)


def from_plain(plain: dict[str, Any]) -> Recipe:
    """The recipe in a checkpoint. ValueError for keys of another version."""
    mixing = _known(Mixing, {**plain["mixing"], "spec": _known(FeatureSpec, plain["mixing"]["spec"])})
    recipe: Recipe = _known(Recipe, {**plain, "mixing": mixing, "shape": _known(Shape, plain["shape"])})
    return recipe


def _known(kind: type[Any], plain: dict[str, Any]) -> Any:
    if strangers := set(plain) - {item.name for item in fields(kind)}:
        raise ValueError(f"the checkpoint's recipe has {', '.join(sorted(strangers))}: train again with this version")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()})
