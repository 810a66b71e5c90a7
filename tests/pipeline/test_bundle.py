"""A bundle is whole and what it claims to be, or it is refused with the part that is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from listener.errors import BundleError
from listener.pipeline import bundle as bundles
from listener.pipeline.classifier import Classifier
from listener.pipeline.features import FeatureSpec
from tests.conftest import filters, manifest, tiny_model


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_written_is_read(tiny_folder: Path) -> None:
    bundle = bundles.load(tiny_folder)
    assert bundle.labels == ("hiss", "hum", "nothing")
    assert bundle.features == FeatureSpec()
    assert bundle.rules["hiss"].on == 0.6


def test_a_bundle_from_before_there_were_frames_is_read(tiny_folder: Path) -> None:
    written = json.loads((tiny_folder / "bundle.json").read_text())
    del written["frame_s"]
    for rule in written["rules"].values():
        del rule["frame"], rule["repeat_s"]
    (tiny_folder / "bundle.json").write_text(json.dumps(written))
    bundle = bundles.load(tiny_folder)
    assert bundle.frame_s == 0
    assert bundle.rules["hiss"] == manifest().rules["hiss"]


@pytest.mark.parametrize("part", ["bundle.json", "model.onnx", "filters.npy"])
def test_a_missing_part_is_named(part: str, tiny_folder: Path) -> None:
    (tiny_folder / part).unlink()
    with pytest.raises(BundleError, match=part):
        bundles.load(tiny_folder)


@pytest.mark.parametrize("part", ["model.onnx", "filters.npy"])
def test_a_damaged_part_is_named(part: str, tiny_folder: Path) -> None:
    content = bytearray((tiny_folder / part).read_bytes())
    content[-1] ^= 1
    (tiny_folder / part).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{part}: its sha256 is not the one"):
        bundles.load(tiny_folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "bundle format 2, this listener reads 1"),
        ({"labels": "hiss"}, "Expected `array`, got `str`"),
        ({"labels": ["hiss", "hiss", "hum"]}, "each only once"),
        ({"groups": {"pets": ["cat"]}}, "labels the model has not: cat"),
        ({"frame_s": -0.1}, "frame_s -0.1 is less than nothing"),
    ],
)
def test_a_manifest_that_is_wrong_says_so(changes: dict[str, Any], says: str, tiny_folder: Path) -> None:
    edit(tiny_folder, **changes)
    with pytest.raises(BundleError, match=says):
        bundles.load(tiny_folder)


def test_a_manifest_that_is_no_json_is_refused(tiny_folder: Path) -> None:
    (tiny_folder / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="Export the bundle again"):
        bundles.load(tiny_folder)


def test_a_rate_that_the_voice_gate_does_not_know_is_refused(tiny_folder: Path) -> None:
    features = json.loads((tiny_folder / "bundle.json").read_text())["features"]
    edit(tiny_folder, features=features | {"sample_rate": 22_050})
    with pytest.raises(BundleError, match="22050 Hz"):
        bundles.load(tiny_folder)


def test_a_model_with_another_count_of_labels_is_refused_before_any_audio(tmp_path: Path) -> None:
    bundles.write(tmp_path / "b", manifest(), tiny_model(labels=7), filters(FeatureSpec()))
    with pytest.raises(BundleError, match=r"gives 7 scores, bundle\.json names 3 labels"):
        Classifier(bundles.load(tmp_path / "b"))


def test_a_model_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    bundles.write(tmp_path / "b", manifest(), b"not a model", filters(FeatureSpec()))
    with pytest.raises(BundleError, match=r"model\.onnx is no model"):
        Classifier(bundles.load(tmp_path / "b"))


def test_a_model_of_another_front_end_is_refused(tmp_path: Path) -> None:
    bundles.write(tmp_path / "b", manifest(), tiny_model(labels=3, mels=40), filters(FeatureSpec()))
    with pytest.raises(BundleError, match=r"does not take mel \(1, 64, 297\)"):
        Classifier(bundles.load(tmp_path / "b"))
