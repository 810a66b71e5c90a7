"""A model bundle: a folder with a model and everything that is needed to run it.

`bundle.json` describes the model, `model.onnx` is the network, `filters.npy` the mel filter bank.
"""

import hashlib
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from listener.base import paths
from listener.errors import BundleError
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats

FORMAT = 2
MANIFEST, MODEL, FILTERS = "bundle.json", "model.onnx", "filters.npy"
DEFAULT = "default"
FORMER_NAMES = ("home", "free")  # shipped bundles of earlier versions, now `default`
ASSETS = Path(__file__).parents[1] / "assets"
LONGEST_CLIP_S = 60
MOST_FFT = 1 << 16
MOST_CHUNK = 1 << 10  # columns
LABEL = r"[a-z][a-z0-9_]{0,63}"  # of labels and groups
RATES = (8_000, 16_000, 32_000, 48_000)  # the rates of WebRTC VAD
COPY_AGAIN = "Copy the whole bundle again."
EXPORT_AGAIN = "Export the bundle again."

LabelClass = Literal["urgent", "home", "known"]
Sensitivity = Literal["low", "medium", "high"]

log = logging.getLogger(__name__)


class LabelRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the scores of a label become events. Times in seconds."""

    on: float = 0.7  # an event starts when the smoothed score exceeds this
    off: float = 0.4  # and continues while it exceeds this
    hold_s: float = 1.5  # it ends after this time below `off`
    min_s: float = 0.0  # shorter events are not reported
    cooldown_s: float = 0.0  # no new event of the label for this time after one ended
    frame: float = 0.5  # frames over this contain the sound: they give an event's start and end
    repeat_s: float = 0.0  # reported only if the sound recurs this long after its start; hold_s bridges the pause
    familiar: float | None = None  # minimum similarity of a clip that begins an event; None: the bundle's

    def retuned(self, on: float) -> "LabelRule":
        """The rule with another `on`, and `off` in proportion."""
        return msgspec.structs.replace(self, on=on, off=self.off * on / self.on)


class LabelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says about a label beside its rule.

    `thresholds` are values of `LabelRule.on` for the sensitivities `low` and `high`; that of `medium` is the rule's.
    """

    name: str = ""  # for people; empty: made from the label
    kind: LabelClass = "home"
    thresholds: dict[Sensitivity, float] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """bundle.json. `sha256` has the digest of every other file of the bundle."""

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
    about: dict[str, LabelInfo] = {}  # by label
    origin: str = ""  # what the weights were derived from
    chunk_columns: int = 0  # mel columns of a step of a model with state; 0: the model takes whole clips
    frame_s: float = 0.0  # time between frame scores; 0: the model has none
    first_frame_s: float | None = None  # centre of the first frame score in the clip; None: the first column's
    familiar: float = 0.0  # minimum similarity of a clip that begins an event; 0: the model has no such output


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and checked.

    Attributes:
        filters: Mel filter bank, float32 (mels, fft // 2 + 1).
        model: The ONNX file's content.
    """

    manifest: Manifest
    filters: Floats
    model: bytes

    @property
    def name(self) -> str:
        """The model's name in events."""
        return self.manifest.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the model's scores."""
        return tuple(self.manifest.labels)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Labels by group."""
        return self.manifest.groups

    @property
    def rules(self) -> dict[str, LabelRule]:
        """Rules by label."""
        return self.manifest.rules

    @property
    def features(self) -> FeatureSpec:
        """The front end."""
        return self.manifest.features

    @property
    def frame_s(self) -> float:
        """Time between frame scores; 0 if the model has none."""
        return self.manifest.frame_s

    @property
    def first_frame_s(self) -> float:
        """Centre of the first frame score, from the clip's start."""
        first, spec = self.manifest.first_frame_s, self.features
        return spec.window / 2 / spec.sample_rate if first is None else first

    @property
    def familiar(self) -> float:
        """Minimum similarity of a clip that begins an event; 0 if the model has no such output."""
        return self.manifest.familiar

    def about(self, label: str) -> LabelInfo:
        """Display name, class and further thresholds of a label."""
        info = self.manifest.about.get(label, LabelInfo())
        return info if info.name else msgspec.structs.replace(info, name=label.replace("_", " ").capitalize())

    def reported(self, label: str) -> bool:
        """Whether events of a label are reported unless the configuration says otherwise."""
        return self.about(label).kind != "known"

    def rule(self, label: str, sensitivity: Sensitivity = "medium") -> LabelRule:
        """The rule of a label at an operating point."""
        rule = self.rules.get(label, LabelRule())
        on = self.about(label).thresholds.get(sensitivity)
        return rule if on is None else rule.retuned(on)


def find(name: str) -> Path:
    """The folder of a bundle that the configuration names: a shipped one, or a path."""
    shipped = ASSETS / name
    if "/" not in name and shipped.is_dir():
        return shipped
    if name in FORMER_NAMES:
        log.warning("model.bundle: %r is now called %r", name, DEFAULT)
        return ASSETS / DEFAULT
    return paths.expanded(name)


def load(folder: Path) -> Bundle:
    """Read and check the bundle in a folder.

    Raises:
        BundleError: A part is missing, damaged or of another version.
    """
    manifest = _read_manifest(folder)
    model = _verified(folder, MODEL, manifest)
    return Bundle(manifest, _filters(folder, manifest), model)


def write(folder: Path, manifest: Manifest, model: bytes, filters: Floats) -> None:
    """Write a bundle. Computes the digests of its manifest."""
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
            f"{folder} is not a model bundle: cannot read {path.name} ({err.strerror})",
            code="bundle-missing",
            remedy=f"Set model.bundle to the folder of a bundle, or to {DEFAULT!r}.",
        ) from err
    try:
        manifest = msgspec.convert(_upgraded(msgspec.json.decode(text, type=dict), path), Manifest)
    except (ValueError, RecursionError) as err:  # not JSON, not UTF-8, or not the fields of a manifest
        raise BundleError(f"{path}: {err}", code="bundle-manifest-invalid", remedy=EXPORT_AGAIN) from err
    if fault := next(_manifest_faults(manifest), None):
        raise BundleError(f"{path}: {fault}", code="bundle-manifest-invalid", remedy=EXPORT_AGAIN)
    return manifest


def _upgraded(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The content of a manifest in the current format. Format 1 had power spectra of windows as long as the FFT."""
    version = document.get("format")
    if version not in (1, FORMAT):
        raise BundleError(
            f"{path}: bundle format {version!r}; this version reads 1 to {FORMAT}",
            code="bundle-version-unknown",
            remedy="Update listener, or export the bundle again.",
        )
    features = document.get("features")
    if version == 1 and isinstance(features, dict):
        document["features"] = {"window": features.get("fft"), "power": 2} | features
    return document


def _manifest_faults(manifest: Manifest) -> Iterator[str]:
    labels = set(manifest.labels)
    if not labels or len(labels) != len(manifest.labels):
        yield "labels must not be empty, and each must be named once"
    if wrong := [name for name in (*manifest.labels, *manifest.groups) if not re.fullmatch(LABEL, name)]:
        yield f"labels and groups consist of a-z, 0-9 and _ and begin with a letter, unlike {wrong[0]!r}"
    if any(not about.name.isprintable() for about in manifest.about.values()):
        yield "the names of labels must be printable"
    named = {*manifest.rules, *manifest.about, *(label for group in manifest.groups.values() for label in group)}
    if unknown := named - labels:
        yield f"rules, groups or about name labels that the model lacks: {', '.join(sorted(unknown))}"
    if manifest.features.sample_rate not in RATES:
        yield f"sample rate {manifest.features.sample_rate} Hz: must be one of {', '.join(map(str, RATES))}"
    if manifest.frame_s < 0:
        yield f"frame_s is {manifest.frame_s:g}, must not be negative"
    if not 0 <= manifest.chunk_columns <= MOST_CHUNK:
        yield f"chunk_columns is {manifest.chunk_columns}, must be 0 to {MOST_CHUNK}"
    for fault in _feature_faults(manifest.features):
        yield f"features: {fault}"


def _feature_faults(spec: FeatureSpec) -> Iterator[str]:
    """Values with which a stranger's bundle could hang the program or fill its memory."""
    if not 16 <= spec.fft <= MOST_FFT:
        yield f"fft is {spec.fft}, must be 16 to {MOST_FFT}"
    if not 16 <= spec.window <= spec.fft:
        yield f"window is {spec.window}, must be 16 to {spec.fft}"
    if not spec.fft <= spec.clip_samples <= LONGEST_CLIP_S * spec.sample_rate:
        yield f"clip_samples is {spec.clip_samples}, must be {spec.fft} to {LONGEST_CLIP_S} s"
    if not spec.fft // 16 <= spec.hop <= spec.clip_samples:
        yield f"hop is {spec.hop}, must be {spec.fft // 16} to {spec.clip_samples}"
    if not 2 <= spec.mels <= spec.fft:
        yield f"mels is {spec.mels}, must be 2 to {spec.fft}"
    if not (0 < spec.log_floor < 1 and 0.1 <= spec.scale_db <= 1000 and abs(spec.mean_db) <= 1000):
        yield "log_floor, scale_db and mean_db are out of range"


def _verified(folder: Path, part: str, manifest: Manifest) -> bytes:
    try:
        content = (folder / part).read_bytes()
    except OSError as err:
        raise BundleError(
            f"{folder / part}: cannot be read ({err.strerror})", code="bundle-part-missing", remedy=COPY_AGAIN
        ) from err
    if _digest(content) != manifest.sha256.get(part):
        raise BundleError(
            f"{folder / part}: the digest differs from the one in {MANIFEST}",
            code="bundle-part-damaged",
            remedy=COPY_AGAIN,
        )
    return content


def _filters(folder: Path, manifest: Manifest) -> Floats:
    path, expected = folder / FILTERS, (manifest.features.mels, manifest.features.fft // 2 + 1)
    content = _verified(folder, FILTERS, manifest)
    try:
        filters: Floats = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as err:  # numpy's parser fails in many ways on a header of a stranger's
        raise BundleError(
            f"{path}: not a filter bank ({err})", code="bundle-filters-invalid", remedy=EXPORT_AGAIN
        ) from err
    if fault := next(_filter_faults(filters, expected), None):
        raise BundleError(f"{path}: {fault}", code="bundle-filters-invalid", remedy=EXPORT_AGAIN)
    return filters


def _filter_faults(filters: Floats, expected: tuple[int, int]) -> Iterator[str]:
    if filters.shape != expected or filters.dtype != np.float32:
        yield f"{filters.dtype} {filters.shape}, {MANIFEST} needs float32 {expected}"
        return
    half = len(filters) // 2
    if not np.isfinite(filters).all() or not filters[:half].any() or not filters[half:].any():
        yield "values are not finite, or all are zero in half of the bands"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
