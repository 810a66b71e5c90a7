"""A bundle is complete and what it claims to be, or it is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from listener.errors import BundleError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import ASSETS, LabelInfo
from listener.pipeline.classifier import Classifier
from tests.conftest import filters, manifest, tiny_model
from tests.fakes import SPEC


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder: Path) -> str:
    """The code of the error with which a folder is refused as a bundle, or as a model."""
    with pytest.raises(BundleError) as refused:
        Classifier(bundles.load(folder))
    assert refused.value.remedy
    return refused.value.code


def test_what_was_written_is_read(tiny_folder: Path) -> None:
    bundle = bundles.load(tiny_folder)
    assert bundle.labels == ("hiss", "hum", "nothing")
    assert bundle.features == SPEC
    assert bundle.rules["hiss"].on == 0.6


def test_a_bundle_of_format_1_has_power_spectra_of_windows_as_long_as_the_transform(tiny_folder: Path) -> None:
    written = json.loads((tiny_folder / "bundle.json").read_text())
    features = {name: value for name, value in written["features"].items() if name not in ("window", "power")}
    edit(tiny_folder, format=1, features=features)
    assert bundles.load(tiny_folder).features == SPEC


def test_a_bundle_from_before_there_were_frames_is_read(tiny_folder: Path) -> None:
    written = json.loads((tiny_folder / "bundle.json").read_text())
    del written["frame_s"]
    for rule in written["rules"].values():
        del rule["frame"], rule["repeat_s"]
    (tiny_folder / "bundle.json").write_text(json.dumps(written))
    bundle = bundles.load(tiny_folder)
    assert bundle.frame_s == 0
    assert bundle.rules["hiss"] == manifest().rules["hiss"]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("bundle.json", "bundle-missing"),
        ("model.onnx", "bundle-part-missing"),
        ("filters.npy", "bundle-part-missing"),
    ],
)
def test_a_missing_part_is_refused(part: str, code: str, tiny_folder: Path) -> None:
    (tiny_folder / part).unlink()
    assert refusal(tiny_folder) == code


@pytest.mark.parametrize("part", ["model.onnx", "filters.npy"])
def test_a_damaged_part_is_refused(part: str, tiny_folder: Path) -> None:
    content = bytearray((tiny_folder / part).read_bytes())
    content[-1] ^= 1
    (tiny_folder / part).write_bytes(content)
    assert refusal(tiny_folder) == "bundle-part-damaged"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 3}, "bundle-version-unknown"),
        ({"format": None}, "bundle-version-unknown"),
        ({"labels": "hiss"}, "bundle-manifest-invalid"),
        ({"labels": []}, "bundle-manifest-invalid"),
        ({"labels": ["hiss", "hiss", "hum"]}, "bundle-manifest-invalid"),
        ({"groups": {"pets": ["cat"]}}, "bundle-manifest-invalid"),
        ({"about": {"cat": {}}}, "bundle-manifest-invalid"),
        ({"about": {"hiss": {"kind": "loud"}}}, "bundle-manifest-invalid"),
        ({"frame_s": -0.1}, "bundle-manifest-invalid"),
        ({"chunk_columns": -1}, "bundle-manifest-invalid"),
        ({"chunk_columns": 100_000}, "bundle-manifest-invalid"),
        ({"chunk_columns": 16}, "bundle-model-invalid"),
        ({"features": 7}, "bundle-manifest-invalid"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(changes: dict[str, Any], code: str, tiny_folder: Path) -> None:
    edit(tiny_folder, **changes)
    assert refusal(tiny_folder) == code


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate": 22_050}, {"fft": 1 << 20}, {"window": 1024}, {"window": 0}, {"hop": 1}, {"mels": 1},
        {"clip_samples": 10**9}, {"log_floor": 0}, {"scale_db": 0}, {"mean_db": 1e9}, {"power": 3},
    ],
)  # fmt: skip
def test_a_front_end_that_cannot_be_is_refused(change: dict[str, Any], tiny_folder: Path) -> None:
    features = json.loads((tiny_folder / "bundle.json").read_text())["features"]
    edit(tiny_folder, features=features | change)
    assert refusal(tiny_folder) == "bundle-manifest-invalid"


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000])
def test_a_manifest_that_is_not_json_is_refused(text: str, tiny_folder: Path) -> None:
    (tiny_folder / "bundle.json").write_text(text, encoding="latin-1")
    assert refusal(tiny_folder) == "bundle-manifest-invalid"


@pytest.mark.parametrize(
    "model", [tiny_model(labels=7), tiny_model(labels=3, mels=40), b"not a model"], ids=["labels", "mels", "no model"]
)
def test_a_model_that_does_not_fit_the_manifest_is_refused_before_any_audio(model: bytes, tmp_path: Path) -> None:
    bundles.write(tmp_path / "b", manifest(), model, filters(SPEC))
    assert refusal(tmp_path / "b") == "bundle-model-invalid"


def test_labels_have_names_classes_and_operating_points(tiny_folder: Path) -> None:
    hiss = LabelInfo(name="A hiss", kind="known", thresholds={"low": 0.9, "high": 0.3})
    bundles.write(tiny_folder, manifest(format=2, about={"hiss": hiss}), tiny_model(3), filters(SPEC))
    bundle = bundles.load(tiny_folder)
    assert (bundle.about("hiss").name, bundle.about("hum").name) == ("A hiss", "Hum")
    assert (bundle.reported("hiss"), bundle.reported("hum")) == (False, True)
    assert [bundle.rule("hiss", point).on for point in ("low", "medium", "high")] == [0.9, 0.6, 0.3]
    assert bundle.rule("hiss", "high").off == pytest.approx(0.25)
    assert bundle.rule("hum", "low") == bundle.rule("hum", "medium")


def test_the_name_of_a_former_bundle_means_the_default_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert bundles.find("home") == ASSETS / "default"
    assert len(caplog.records) == 1
    assert bundles.find("default") == ASSETS / "default"
    assert len(caplog.records) == 1
