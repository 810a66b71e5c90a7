"""The fitted thresholds of a model, kept as JSON from their fit to the export."""

from pathlib import Path

import msgspec

from listener.errors import ListenerError
from listener.pipeline.bundle import LabelRule, Sensitivity


class FittedRules(msgspec.Struct, frozen=True):
    """Rules of labels at `medium` sensitivity, and their `on` at the others."""

    rules: dict[str, LabelRule]
    thresholds: dict[str, dict[Sensitivity, float]]


def write(path: Path, calibration: FittedRules) -> None:
    """Write a calibration as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")


def read(path: Path) -> FittedRules:
    """Read a calibration. ListenerError where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=FittedRules)
    except (OSError, msgspec.MsgspecError) as err:
        raise ListenerError(
            f"{path}: no calibration ({err})", code="calibration-unreadable", remedy="Run python -m models.calibrate."
        ) from err
