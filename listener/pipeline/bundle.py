"""A model bundle: a folder that carries a model with everything needed to use it rightly."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from listener.base import paths
from listener.errors import BundleError
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats

FORMAT = 1
MANIFEST, MODEL, FILTERS = "bundle.json", "model.onnx", "filters.npy"
DEFAULT = "default"
ASSETS = Path(__file__).parents[1] / "assets"
LONGEST_CLIP_S = 60
MOST_FFT = 1 << 16
RATES = (8_000, 16_000, 32_000, 48_000)  # the only ones that WebRTC VAD knows


class LabelRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How scores of a label become events. Times in seconds."""

    on: float = 0.7  # an event starts when the smoothed score passes this
    off: float = 0.4  # and lives while it stays over this
    hold_s: float = 1.5  # ends after this long below `off`
    min_s: float = 0.0  # a shorter event is not reported: its start waits so long
    cooldown_s: float = 0.0  # no new event of the label so long after one ended
    frame: float = 0.5  # a frame over this has the sound in it: for starts, ends and repeats, not for what it is
    repeat_s: float = 0.0  # reported only when heard again so long after it was first heard; hold_s bridges the pause

    familiar: float | None = None  # begins only with a clip at least so familiar; None: as the bundle asks of all

    def retuned(self, on: float) -> "LabelRule":
        """The rule with another `on`; `off` keeps its share of it."""
        return msgspec.structs.replace(self, on=on, off=self.off * on / self.on)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """bundle.json. `sha256` names every other file of the bundle with its digest."""

    format: int
    name: str
    labels: list[str]
    groups: dict[str, list[str]]
    rules: dict[str, LabelRule]
    features: FeatureSpec
    sha256: dict[str, str]
    licence: str
    provenance: dict[str, str]  # recipe, data, commit, date
    metrics: dict[str, float]
    frame_s: float = 0.0  # from one frame score to the next; 0: the model has none
    familiar: float = 0.0  # an event begins only with a clip at least so familiar; 0: the model does not say


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and checked: all its parts are there and are what they claim to be."""

    name: str
    labels: tuple[str, ...]
    groups: dict[str, list[str]]
    rules: dict[str, LabelRule]
    features: FeatureSpec
    filters: Floats  # (mels, fft // 2 + 1)
    frame_s: float
    familiar: float
    model: bytes  # ONNX
    manifest: Manifest


def find(name: str) -> Path:
    """The folder of a bundle named in the configuration: one that is shipped, or a path."""
    shipped = ASSETS / name
    return shipped if "/" not in name and shipped.is_dir() else paths.expanded(name)


def load(folder: Path) -> Bundle:
    """The bundle in a folder. BundleError names the part that is missing, damaged or of another version."""
    manifest = _read_manifest(folder)
    model = _verified(folder, MODEL, manifest)
    filters = _filters(folder, manifest)
    return Bundle(
        manifest.name,
        tuple(manifest.labels),
        manifest.groups,
        manifest.rules,
        manifest.features,
        filters,
        manifest.frame_s,
        manifest.familiar,
        model,
        manifest,
    )


def write(folder: Path, manifest: Manifest, model: bytes, filters: Floats) -> None:
    """Make a bundle. The digests in the manifest are computed here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    np.save(folder / FILTERS, filters.astype(np.float32), allow_pickle=False)
    digests = {part: _digest((folder / part).read_bytes()) for part in (MODEL, FILTERS)}
    manifest = msgspec.structs.replace(manifest, sha256=digests)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except OSError as err:
        raise BundleError(
            f"{folder} is no model bundle: {path.name} cannot be read ({err.strerror}). "
            f"Name a bundle folder in [model] bundle, or {DEFAULT!r} for the one that is shipped."
        ) from err
    try:
        version = msgspec.json.decode(text, type=dict).get("format")
        if version != FORMAT:
            raise BundleError(
                f"{path}: bundle format {version!r}, this listener reads {FORMAT}. Export the bundle again."
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except (ValueError, RecursionError) as err:  # not JSON, not UTF-8, or not what a manifest is made of
        raise BundleError(f"{path}: {err}. Export the bundle again.") from err
    _check(manifest, path)
    return manifest


def _check(manifest: Manifest, path: Path) -> None:
    if not manifest.labels or len(set(manifest.labels)) != len(manifest.labels):
        raise BundleError(f"{path}: labels must be there, and each only once. Export the bundle again.")
    strangers = {*manifest.rules, *(label for group in manifest.groups.values() for label in group)} - {
        *manifest.labels
    }
    if strangers:
        raise BundleError(f"{path}: rules or groups name labels the model has not: {', '.join(sorted(strangers))}.")
    if manifest.features.sample_rate not in RATES:
        rates = ", ".join(str(rate) for rate in RATES)
        raise BundleError(f"{path}: sample rate {manifest.features.sample_rate} Hz; the voice gate knows {rates}.")
    if manifest.frame_s < 0:
        raise BundleError(f"{path}: frame_s {manifest.frame_s:g} is less than nothing. Export the bundle again.")
    for fault in _faults(manifest.features):
        raise BundleError(f"{path}: features: {fault}. Export the bundle again.")


def _faults(spec: FeatureSpec) -> Iterator[str]:
    """What no front end can work with. A bundle may come from anybody: it must not hang us, nor eat the memory."""
    if not 16 <= spec.fft <= MOST_FFT:
        yield f"fft is {spec.fft}, not from 16 to {MOST_FFT}"
    if not spec.fft <= spec.clip_samples <= LONGEST_CLIP_S * spec.sample_rate:
        yield f"clip_samples is {spec.clip_samples}, less than a window or more than {LONGEST_CLIP_S} s"
    if not spec.fft // 16 <= spec.hop <= spec.clip_samples:
        yield f"hop is {spec.hop}, less than a sixteenth of a window or more than a clip"
    if not 2 <= spec.mels <= spec.fft:
        yield f"mels is {spec.mels}, not from 2 to fft"
    if not (0 < spec.log_floor < 1 and 0.1 <= spec.scale_db <= 1000 and abs(spec.mean_db) <= 1000):
        yield "log_floor, scale_db and mean_db are no normalisation"


def _verified(folder: Path, part: str, manifest: Manifest) -> bytes:
    try:
        content = (folder / part).read_bytes()
    except OSError as err:
        raise BundleError(f"{folder / part}: cannot be read ({err.strerror}). Copy the whole bundle again.") from err
    if _digest(content) != manifest.sha256.get(part):
        raise BundleError(f"{folder / part}: its sha256 is not the one in {MANIFEST}. Copy the whole bundle again.")
    return content


def _filters(folder: Path, manifest: Manifest) -> Floats:
    content = _verified(folder, FILTERS, manifest)
    expected = (manifest.features.mels, manifest.features.fft // 2 + 1)
    try:
        filters: Floats = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as err:  # a stranger's header ends numpy's parser in many ways
        raise BundleError(f"{folder / FILTERS}: not a filter bank ({err}). Export the bundle again.") from err
    if filters.shape != expected or filters.dtype != np.float32:
        raise BundleError(
            f"{folder / FILTERS}: {filters.dtype} {filters.shape}, its FeatureSpec asks for float32 {expected}."
        )
    half = len(filters) // 2
    if not np.isfinite(filters).all() or not filters[:half].any() or not filters[half:].any():
        raise BundleError(f"{folder / FILTERS}: its bands let nothing through. Export the bundle again.")
    return filters


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
