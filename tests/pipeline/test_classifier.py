"""The classifier: independent scores, in the bundle's order, from the provider that was asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from listener.errors import BundleError, ClassifierError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.features import FeatureSpec, LogMel, whole
from tests.conftest import filters, manifest, tiny_model
from tests.fakes import noise


def framed_model(
    labels: int = 3, columns: int = 8, *, frames: bool = True, embedding: bool = True, familiarity: bool = False
) -> bytes:
    """The tiny model with scores for every few columns of the mel, and with an embedding of 4 numbers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(tiny_model(3))
    graph = model.graph
    if frames:
        by_row = np.full((labels, 64), 4 / 64, np.float32)
        graph.initializer.append(numpy_helper.from_array(by_row, "by_row"))
        graph.node.append(
            helper.make_node(
                "AveragePool", ["mel"], ["few"], kernel_shape=[columns], strides=[columns], ceil_mode=1, name="few"
            )
        )
        graph.node.append(helper.make_node("MatMul", ["by_row", "few"], ["frame_logits"]))
        graph.node.append(helper.make_node("Sigmoid", ["frame_logits"], ["frames"]))
        graph.output.append(helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", labels, None]))
    if embedding:
        projection = np.eye(64, 4, dtype=np.float32)
        graph.initializer.append(numpy_helper.from_array(projection, "projection"))
        graph.node.append(helper.make_node("MatMul", ["mean", "projection"], ["described"]))
        graph.node.append(helper.make_node("LpNormalization", ["described"], ["embedding"], axis=1, p=2))
        graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 4]))
    if familiarity:
        graph.node.append(
            helper.make_node("ReduceMax", ["embedding"], ["familiarity"], axes=[1], keepdims=0, name="likest")
        )
        graph.output.append(helper.make_tensor_value_info("familiarity", TensorProto.FLOAT, ["batch"]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def bundle_of(model: bytes, folder: Path, frame_s: float = 0.08, familiar: float = 0.0) -> Bundle:
    bundles.write(folder / "b", manifest(frame_s=frame_s, familiar=familiar), model, filters(FeatureSpec()))
    return bundles.load(folder / "b")


def test_scores_are_independent_probabilities_in_label_order(tiny: Bundle) -> None:
    prediction = Classifier(tiny)(LogMel(tiny.features, tiny.filters)(whole(noise(3, -10))))
    assert prediction.scores.shape == (3,)
    assert prediction.scores.dtype == np.float32
    assert ((prediction.scores >= 0) & (prediction.scores <= 1)).all()


def test_the_span_is_carried_along(tiny: Bundle) -> None:
    clip = whole(noise(3, -10))
    assert Classifier(tiny)(LogMel(tiny.features, tiny.filters)(clip)).span == clip.span


def test_auto_says_what_it_took(tiny: Bundle) -> None:
    assert Classifier(tiny, "auto").provider in ("cpu", "cuda")


def test_cuda_without_cuda_is_an_error_with_the_remedy(tiny: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ClassifierError, match="pip install onnxruntime-gpu"):
        Classifier(tiny, "cuda")


def test_a_model_with_scores_alone_predicts_nothing_else(tiny: Bundle) -> None:
    prediction = Classifier(tiny)(LogMel(tiny.features, tiny.filters)(whole(noise(3, -10))))
    assert prediction.frame_scores is None
    assert prediction.embedding is None


def test_frames_and_embedding_are_read_where_the_model_has_them(tmp_path: Path) -> None:
    bundle = bundle_of(framed_model(), tmp_path)
    prediction = Classifier(bundle)(LogMel(bundle.features, bundle.filters)(whole(noise(3, -10))))
    assert prediction.frame_scores is not None
    assert prediction.frame_scores.shape == (3, 38)
    assert prediction.embedding is not None
    assert np.linalg.norm(prediction.embedding) == pytest.approx(1)


def test_familiarity_is_one_number_where_the_model_says_it(tmp_path: Path) -> None:
    bundle = bundle_of(framed_model(familiarity=True), tmp_path, familiar=0.4)
    prediction = Classifier(bundle)(LogMel(bundle.features, bundle.filters)(whole(noise(3, -10))))
    assert prediction.embedding is not None
    assert prediction.similarity == pytest.approx(float(prediction.embedding.max()))


@pytest.mark.parametrize("there", [True, False])
def test_a_familiarity_that_the_manifest_does_not_know_of_is_refused(tmp_path: Path, there: bool) -> None:
    bundle = bundle_of(framed_model(familiarity=there), tmp_path, familiar=0.0 if there else 0.4)
    with pytest.raises(BundleError, match=r"familiarity, bundle\.json says familiar = 0"):
        Classifier(bundle)


def test_a_score_that_is_no_number_is_an_error(tiny: Bundle) -> None:
    features = LogMel(tiny.features, tiny.filters)(whole(noise(3, -10)))
    with pytest.raises(ClassifierError, match="no number"):
        Classifier(tiny)(replace(features, mel=np.full_like(features.mel, np.nan)))


def test_a_model_whose_scores_are_no_numbers_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(tiny_model(3))
    (last,) = (node for node in model.graph.node if "scores" in node.output)
    last.output[0] = "sure"
    model.graph.initializer.append(numpy_helper.from_array(np.full(3, np.nan, np.float32), "nothing"))
    model.graph.node.append(helper.make_node("Add", ["sure", "nothing"], ["scores"]))
    with pytest.raises(BundleError, match=r"scores that are no numbers. Export the bundle again"):
        Classifier(bundle_of(model.SerializeToString(), tmp_path, frame_s=0.0))


def test_an_embedding_alone_is_read_too(tmp_path: Path) -> None:
    bundle = bundle_of(framed_model(frames=False), tmp_path, frame_s=0)
    prediction = Classifier(bundle)(LogMel(bundle.features, bundle.filters)(whole(noise(3, -10))))
    assert prediction.frame_scores is None
    assert prediction.embedding is not None


@pytest.mark.parametrize(
    ("model", "frame_s", "says"),
    [
        ({}, 0.0, r"gives frames, bundle\.json says frame_s = 0"),
        ({"frames": False}, 0.08, r"gives no frames, bundle\.json says frame_s = 0\.08"),
        ({"labels": 2}, 0.08, r"gives frames \(1, 2, 38\), not \(1, 3, frames\)"),
        ({"columns": 4}, 0.08, r"gives 75 frames, which at frame_s = 0\.08 are not the 3 s of a clip"),
    ],
)
def test_frames_that_are_not_what_the_bundle_says_are_refused(
    model: dict[str, int], frame_s: float, says: str, tmp_path: Path
) -> None:
    bundle = bundle_of(framed_model(**model), tmp_path, frame_s)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=says):
        Classifier(bundle)
