"""What makes of a network's scores probabilities, and of probabilities events: scales and rules by label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import expit, logit  # type: ignore[import-untyped]

from listener.errors import ListenerError
from listener.pipeline.bundle import LabelRule
from listener.pipeline.values import Floats

PULL = 20.0  # examples' worth of belief that a label's scale is 1 and its offset 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability = sigmoid(scale * logit + offset), label by label (Platt 1999), and the rules of the tracker."""

    labels: tuple[str, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    rules: dict[str, LabelRule]

    def of(self, labels: Sequence[str]) -> "Calibration":
        """The part for some labels, in their order. ListenerError names a label it has not."""
        if strangers := set(labels) - set(self.labels):
            raise ListenerError(
                f"the calibration has no {', '.join(sorted(strangers))}: make one of this model's runs."
            )
        columns = [self.labels.index(label) for label in labels]
        return Calibration(
            tuple(labels),
            tuple(self.scale[n] for n in columns),
            tuple(self.offset[n] for n in columns),
            {label: self.rules[label] for label in labels},
        )

    def apply(self, scores: Floats) -> Floats:
        """Calibrated probabilities of raw ones (…, labels)."""
        logits = logit(np.clip(scores, 1e-6, 1 - 1e-6))
        calibrated: Floats = expit(logits * np.array(self.scale) + np.array(self.offset)).astype(np.float32)
        return calibrated


def platt(scores: Floats, truth: np.ndarray, known: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scales and offsets that fit raw scores (clips, labels) to what was there; only where it is known."""
    fitted = [_fit(scores[known[:, n], n], truth[known[:, n], n]) for n in range(scores.shape[1])]
    return tuple(scale for scale, _ in fitted), tuple(offset for _, offset in fitted)


def write(path: Path, calibration: Calibration) -> None:
    """Keep a calibration as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")


def read(path: Path) -> Calibration:
    """A calibration that was kept. ListenerError where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.MsgspecError) as err:
        raise ListenerError(f"{path}: no calibration ({err}). Make one with python -m models.calibrate.") from err


def _fit(scores: Floats, truth: np.ndarray) -> tuple[float, float]:
    logits = logit(np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6))

    def loss(parameters: np.ndarray) -> float:
        log_scale, offset = parameters
        values = np.exp(log_scale) * logits + offset
        misfit = np.logaddexp(0, values) - truth * values
        return float(misfit.sum() + PULL * (log_scale**2 + 0.1 * offset**2))

    log_scale, offset = minimize(loss, np.zeros(2), method="BFGS").x
    return round(float(np.exp(log_scale)), 4), round(float(offset), 4)
