"""The fitted thresholds of a model, kept as JSON from their fit to the export."""

from pathlib import Path

import msgspec

from listener.errors import ListenerError
from listener.pipeline.bundle import LabelRule, Sensitivity


class Calibration(msgspec.Struct, frozen=True):
    """Rules of labels at `medium` sensitivity, and their `on` at the others."""

    rules: dict[str, LabelRule]
    thresholds: dict[str, dict[Sensitivity, float]]


def write(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")


def read(path: Path) -> Calibration:
    """Read a calibration. ListenerError where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.MsgspecError) as err:
        raise ListenerError(
            f"{path}: no calibration ({err})", code="calibration-unreadable", remedy="Run python -m models.calibrate."
        ) from err
