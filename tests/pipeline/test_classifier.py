"""The classifier gives independent scores in the bundle's order, and each column of a stream is computed once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from listener.errors import BundleError, ClassifierError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier, StreamClassifier
from listener.pipeline.features import FeatureSpec, LogMel, whole
from listener.pipeline.values import ClipContext, Features, Floats, Prediction, Span
from tests.conftest import filters, manifest, tiny_model, with_manifest
from tests.fakes import SPEC, noise


def framed_model(
    labels: int = 3, columns: int = 8, *, frames: bool = True, embedding: bool = True, familiarity: bool = False
) -> bytes:
    """The tiny model with scores for every few columns of the mel, and with an embedding of 4 numbers."""
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
    bundles.write(folder / "b", manifest(frame_s=frame_s, familiar=familiar), model, filters(SPEC))
    return bundles.load(folder / "b")


def predict(bundle: Bundle) -> Prediction:
    return Classifier(bundle).stream()(LogMel(bundle.features, bundle.filters)(whole(noise(3, -10))))


def refusal(bundle: Bundle) -> str:
    with pytest.raises(BundleError) as refused:
        Classifier(bundle)
    return refused.value.code


def test_scores_are_independent_probabilities_in_label_order(tiny: Bundle) -> None:
    prediction = predict(tiny)
    assert prediction.scores.shape == (3,)
    assert prediction.scores.dtype == np.float32
    assert ((prediction.scores >= 0) & (prediction.scores <= 1)).all()
    assert prediction.span == Span(0, 48_000)
    assert prediction.frame_scores is None
    assert prediction.embedding is None


def test_the_provider_is_the_one_that_is_used(tiny: Bundle) -> None:
    assert Classifier(tiny, "auto").provider in ("cpu", "cuda")
    assert Classifier(tiny, "cpu").provider == "cpu"


def test_cuda_without_cuda_is_an_error_with_a_remedy(tiny: Bundle) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ClassifierError) as refused:
        Classifier(tiny, "cuda")
    assert refused.value.code == "classifier-cuda-missing"
    assert refused.value.remedy


def test_frames_and_embedding_are_read_where_the_model_has_them(tmp_path: Path) -> None:
    prediction = predict(bundle_of(framed_model(), tmp_path))
    assert prediction.frame_scores is not None
    assert prediction.frame_scores.shape == (3, 38)
    assert prediction.embedding is not None
    assert np.linalg.norm(prediction.embedding) == pytest.approx(1)


def test_an_embedding_without_frames_is_read_too(tmp_path: Path) -> None:
    prediction = predict(bundle_of(framed_model(frames=False), tmp_path, frame_s=0))
    assert prediction.frame_scores is None
    assert prediction.embedding is not None


def test_similarity_is_one_number_where_the_model_has_it(tmp_path: Path) -> None:
    prediction = predict(bundle_of(framed_model(familiarity=True), tmp_path, familiar=0.4))
    assert prediction.embedding is not None
    assert prediction.similarity == pytest.approx(float(prediction.embedding.max()))


@pytest.mark.parametrize("there", [True, False])
def test_a_similarity_that_the_manifest_does_not_announce_is_refused(tmp_path: Path, there: bool) -> None:
    bundle = bundle_of(framed_model(familiarity=there), tmp_path, familiar=0.0 if there else 0.4)
    assert refusal(bundle) == "bundle-model-invalid"


def test_a_score_that_is_not_finite_is_an_error(tiny: Bundle) -> None:
    features = LogMel(tiny.features, tiny.filters)(whole(noise(3, -10)))
    with pytest.raises(ClassifierError) as refused:
        Classifier(tiny).stream()(replace(features, mel=np.full_like(features.mel, np.nan)))
    assert refused.value.code == "classifier-not-finite"


def test_a_model_whose_scores_are_not_finite_is_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_model(3))
    (last,) = (node for node in model.graph.node if "scores" in node.output)
    last.output[0] = "sure"
    model.graph.initializer.append(numpy_helper.from_array(np.full(3, np.nan, np.float32), "nothing"))
    model.graph.node.append(helper.make_node("Add", ["sure", "nothing"], ["scores"]))
    assert refusal(bundle_of(model.SerializeToString(), tmp_path, frame_s=0.0)) == "bundle-model-invalid"


@pytest.mark.parametrize(
    ("model", "frame_s"), [({}, 0.0), ({"frames": False}, 0.08), ({"labels": 2}, 0.08), ({"columns": 4}, 0.08)]
)
def test_frames_that_are_not_what_the_bundle_says_are_refused(
    model: dict[str, int], frame_s: float, tmp_path: Path
) -> None:
    assert refusal(bundle_of(framed_model(**model), tmp_path, frame_s)) == "bundle-model-invalid"  # type: ignore[arg-type]


# A model with state: it counts the columns since the stream began, and averages all of them.
CHUNK = 16
SPEC_2 = FeatureSpec()


def counting_model(state: str = "state_0", size: int = 2) -> bytes:
    nodes = [
        helper.make_node("ReduceMean", ["mel", "mels"], ["levels"], keepdims=0),  # (1, columns)
        helper.make_node("ReduceSum", ["levels", "time"], ["sum"], keepdims=1),
        helper.make_node("Shape", ["levels"], ["shape"]),
        helper.make_node("Gather", ["shape", "time_0"], ["columns"]),
        helper.make_node("Cast", ["columns"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["count", "one_by_one"], ["counted"]),
        helper.make_node("Concat", ["sum", "counted"], ["new"], axis=1),
        helper.make_node("Add", [state, "new"], ["next_state_0"]),
        helper.make_node("Split", ["next_state_0"], ["total", "seen"], axis=1, num_outputs=2),
        helper.make_node("Div", ["total", "seen"], ["average"]),
        helper.make_node("Concat", ["average", "seen"], ["scores"], axis=1),
    ]
    constants = {"mels": [1], "time": [1], "time_0": [1], "one_by_one": [1, 1]}
    graph = helper.make_graph(
        nodes,
        "counting",
        [
            helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, 64, None]),
            helper.make_tensor_value_info(state, TensorProto.FLOAT, [1, size]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2]),
            helper.make_tensor_value_info("next_state_0", TensorProto.FLOAT, [1, 2]),
        ],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.fixture
def counting(tmp_path: Path) -> Bundle:
    plain = manifest(format=2, labels=["average", "count"], groups={}, rules={}, features=SPEC_2, chunk_columns=CHUNK)
    bundles.write(tmp_path / "counting", plain, counting_model(), filters(SPEC_2))
    return bundles.load(tmp_path / "counting")


def features_at(stream: Floats, stop: int, begins: int = 0) -> Features:
    """The features of the clip of a stream's columns that ends at a sample; sound `begins` there."""
    first = stop // SPEC_2.hop - SPEC_2.columns
    numbers = np.arange(first, first + SPEC_2.columns)
    mel = np.where(numbers < begins // SPEC_2.hop, 0, stream[np.clip(numbers, 0, len(stream) - 1)])
    span = Span(max(begins, stop - SPEC_2.clip_samples), stop)
    return Features(span, np.tile(mel.astype(np.float32), (64, 1)), ClipContext(span, -20.0))


STREAM = np.random.default_rng(0).normal(0, 1, 4000).astype(np.float32)
FILLED = 304  # columns of the first run: a clip's 298, filled up to whole chunks


def counts(classify: StreamClassifier, stops: Sequence[int], begins: int = 0) -> list[int]:
    return [round(float(classify(features_at(STREAM, stop, begins)).scores[1])) for stop in stops]


def test_only_columns_that_are_new_in_a_clip_are_computed(counting: Bundle) -> None:
    classify = Classifier(counting).stream()
    assert counts(classify, (48_000, 53_120, 58_240)) == [FILLED, FILLED + 32, FILLED + 64]


def test_a_clip_that_ends_within_a_chunk_is_answered_and_leaves_no_trace(counting: Bundle) -> None:
    classify, other = Classifier(counting).stream(), Classifier(counting).stream()
    assert counts(classify, (48_000, 51_200, 53_120)) == [FILLED, FILLED + 32, FILLED + 32]
    counts(other, (48_000,))
    assert classify(features_at(STREAM, 58_240)).scores == pytest.approx(other(features_at(STREAM, 58_240)).scores)


def test_a_clip_that_was_seen_before_is_answered_as_before(counting: Bundle) -> None:
    classify = Classifier(counting).stream()
    assert counts(classify, (48_000, 48_000)) == [FILLED, FILLED]


def test_a_stream_that_goes_on_within_the_clip_is_taken_up_where_it_was_left(counting: Bundle) -> None:
    classify = Classifier(counting).stream()
    assert counts(classify, (48_000, 89_600)) == [FILLED, FILLED + 260 + 12]


@pytest.mark.parametrize(("stop", "begins"), [(200_000, 0), (64_000, 52_000)], ids=["long closed", "gap"])
def test_after_a_gap_the_state_is_that_of_a_new_stream(counting: Bundle, stop: int, begins: int) -> None:
    classify, fresh = Classifier(counting).stream(), Classifier(counting).stream()
    counts(classify, (48_000, 50_560))
    scores = classify(features_at(STREAM, stop, begins)).scores
    assert scores == pytest.approx(fresh(features_at(STREAM, stop, begins)).scores)
    assert round(float(scores[1])) == FILLED


def test_streams_of_one_classifier_have_their_own_state(counting: Bundle) -> None:
    classifier = Classifier(counting)
    first, second = classifier.stream(), classifier.stream()
    counts(first, (48_000, 53_120))
    assert counts(second, (48_000,)) == [FILLED]


def test_state_that_does_not_come_back_in_its_shape_is_refused(tmp_path: Path) -> None:
    plain = manifest(format=2, labels=["a", "b"], groups={}, rules={}, features=SPEC_2, chunk_columns=CHUNK)
    bundles.write(tmp_path / "b", plain, counting_model(size=1), filters(SPEC_2))
    assert refusal(bundles.load(tmp_path / "b")) == "bundle-model-invalid"


def test_state_that_the_manifest_does_not_announce_is_refused(counting: Bundle) -> None:
    assert refusal(with_manifest(counting, chunk_columns=0)) == "bundle-model-invalid"
