"""A quantised model answers much as before, and one that answers worse is refused."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export import bundle as exporting
from export.bundle import About, export, same
from export.graph import OUTPUTS, Exported, ExportError, Runtime, to_onnx
from export.quantise import Accuracy, manifest_of, parity, quantise, quantised
from listener.pipeline import bundle
from listener.pipeline.bundle import LabelRule
from listener.pipeline.classifier import INPUT, SCORES
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from models.data.frontend import mel_filters
from models.evaluation.calibration import Calibration
from models.evaluation.test_split import Files
from models.network.network import make_net
from models.training.checkpoint import Checkpoint
from models.training.recipe import Mixing, Recipe, Shape
from tests.models.sounds import tiny_recipe

LABELS = ("low", "high")


@pytest.fixture(scope="module")
def mels() -> Floats:
    return np.random.default_rng(0).normal(-0.6, 1.1, (16, 64, 297)).astype(np.float32)


@pytest.fixture(scope="module", params=[Shape(pretrained=0, modulation=8), Shape(pretrained=7)], ids=["ours", "yamnet"])
def model(request: pytest.FixtureRequest) -> bytes:
    torch.manual_seed(0)
    recipe = Recipe(mixing=Mixing(labels=LABELS), shape=request.param)
    return to_onnx(Exported(make_net(recipe)), FeatureSpec())


@pytest.fixture(scope="module")
def small(model: bytes, mels: Floats) -> bytes:
    return quantised(model, mels)


def test_a_quantised_model_answers_much_as_before(model: bytes, small: bytes, mels: Floats) -> None:
    for before, after in zip(Runtime(model).all(mels), Runtime(small).all(mels), strict=True):
        assert np.abs(before - after).max() < 0.05


def test_what_spans_more_than_eight_bits_is_left_as_it_is(small: bytes) -> None:
    nodes = list(onnx.load_from_string(small).graph.node)
    rounded = {name for node in nodes if node.op_type == "DequantizeLinear" for name in node.output}
    wanted = set[str]()
    for node in reversed(nodes):  # each comes after what it is made of
        if node.op_type in ("Log", "Sqrt") or wanted & set(node.output):
            assert not rounded & set(node.input)
            wanted |= set(node.input)
    assert wanted


def test_a_rectifier_behind_a_convolution_is_left_to_the_rounding(small: bytes) -> None:
    nodes = list(onnx.load_from_string(small).graph.node)
    of_convolutions = {name for node in nodes if node.op_type == "Conv" for name in node.output}
    assert not [node.name for node in nodes if node.op_type in ("Relu", "Clip") and of_convolutions & {*node.input}]


def test_its_input_its_outputs_and_its_dynamic_batch_are_kept(small: bytes, mels: Floats) -> None:
    graph = onnx.load_from_string(small).graph
    assert [value.name for value in graph.input] == [INPUT]
    assert [value.name for value in graph.output] == list(OUTPUTS[:-1])
    assert [len(Runtime(small)(mels[:count])) for count in (1, 3)] == [1, 3]


def test_it_is_less_than_half_as_large(model: bytes, small: bytes) -> None:
    assert len(small) < len(model) / 2


def test_weights_have_a_scale_for_each_channel(small: bytes) -> None:
    scales = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(small).graph.initializer}
    assert max(scale.size for name, scale in scales.items() if name.endswith("_scale")) > 1


def test_the_same_model_twice_is_at_par() -> None:
    assert parity(_loudest_row(), _loudest_row(), _files(20, 5), LABELS) == {
        "all": Accuracy(25, 1.0, 1.0),
        "low": Accuracy(20, 1.0, 1.0),
        "high": Accuracy(5, 1.0, 1.0),
    }


def test_a_loss_on_a_label_of_ten_files_is_refused_and_the_label_named() -> None:
    with pytest.raises(ExportError, match=r"high from 100\.0% to 0\.0%"):
        parity(_loudest_row(), _loudest_row(bias=9.0), _files(2000, 10), LABELS)


def test_a_label_of_few_files_may_lose_while_the_whole_does_not() -> None:
    said = parity(_loudest_row(), _loudest_row(bias=9.0), _files(2000, 9), LABELS)
    assert said["high"] == Accuracy(9, 1.0, 0.0)


def test_a_loss_over_all_is_refused_though_no_label_has_many_files() -> None:
    with pytest.raises(ExportError, match=r"all from 100\.0% to 50\.0%"):
        parity(_loudest_row(), _loudest_row(bias=9.0), _files(5, 5), LABELS)


def test_a_loss_of_one_point_is_allowed() -> None:
    assert parity(_loudest_row(), _loudest_row(bias=9.0), _files(891, 9), LABELS)["all"] == Accuracy(900, 1.0, 0.99)


def test_files_of_other_labels_prove_nothing() -> None:
    with pytest.raises(ExportError, match="nothing says"):
        parity(_loudest_row(), _loudest_row(), _files(3, 3), ("rain", "siren"))


def test_a_bundle_of_the_checkpoint_is_known_though_its_scores_are_calibrated(tmp_path: Path) -> None:
    calibration = Calibration(LABELS, (2.0, 0.5), (-1.0, 0.3), {label: LabelRule() for label in LABELS})
    export(_trained(), tmp_path, About(calibration=calibration))
    same(_trained(), bundle.load(tmp_path))


def test_a_quantised_bundle_has_another_name_and_none_of_the_figures() -> None:
    plain = exporting.manifest_of(_trained(), About(name="one"))
    given = msgspec.structs.replace(plain, metrics={"esc10_own_labels": 0.9})
    told = manifest_of(given, Accuracy(200, 0.9, 0.895))
    assert (told.name, told.metrics) == ("one-int8", {})
    assert told.provenance["quantised"] == (
        "right answers to 89.5 % of 200 files that it has learned from, 90.0 % before"
    )
    assert told.labels == given.labels


def test_a_bundle_of_another_checkpoint_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    export(_trained(), tmp_path / "bundle", About(name="one"))
    for other in (_trained(seed=1), _trained(leave_out_labels=("high",))):
        with pytest.raises(ExportError, match="one was not made of this checkpoint"):
            quantise(other, tmp_path / "bundle", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _trained(seed: int = 0, **changes: object) -> Checkpoint:
    torch.manual_seed(seed)
    recipe = tiny_recipe(**changes)
    weights = make_net(recipe).state_dict()
    return Checkpoint(recipe, mel_filters(recipe.spec), recipe.steps, weights, weights, {})


def _loudest_row(bias: float = 0.0) -> bytes:
    """A model of two rows, each of which is a label's score; `bias` is added to the first's."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", [INPUT, "axes"], ["mean"], keepdims=0),
         helper.make_node("Add", ["mean", "bias"], [SCORES])],
        "loudest row",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 2, 4])],
        [helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.array([2]), "axes"),
         numpy_helper.from_array(np.array([bias, 0], np.float32), "bias")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def _files(low: int, high: int) -> Files:
    """So many files of one clip, whose loudest row is their label's."""
    mels = np.zeros((low + high, 2, 4), np.float16)
    mels[:low, 0], mels[low:, 1] = 1, 1
    labels = ("low",) * low + ("high",) * high
    return Files(labels, ("some",) * len(labels), labels, mels, np.arange(len(labels)))
