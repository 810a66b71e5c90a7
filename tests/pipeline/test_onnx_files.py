"""References to other files are found wherever in a model they are, and malformed models are refused."""

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from listener.pipeline.onnx_files import refers_to_files
from tests.conftest import tiny_model


def external() -> TensorProto:
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret"
    return tensor


def in_graph(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(external())


def unlocated(model: onnx.ModelProto) -> None:
    tensor = external()
    tensor.ClearField("data_location")
    model.graph.initializer.append(tensor)


def in_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["x"], value=external()))


def in_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([helper.make_node("Constant", [], ["y"], value=external())], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=branch))


def in_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["x"], value=external())
    model.functions.append(helper.make_function("f", "F", [], ["x"], [node], []))


def in_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(external())


def in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.initializer.append(external())


def in_context(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("EPContext", [], ["x"], domain="com.microsoft", ep_cache_context="secret"))


@pytest.mark.parametrize(
    "put", [in_graph, unlocated, in_attribute, in_branch, in_function, in_sparse, in_training, in_context]
)
def test_a_reference_is_found(put: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_from_string(tiny_model(3))
    assert not refers_to_files(model.SerializeToString())
    put(model)
    assert refers_to_files(model.SerializeToString())


@pytest.mark.parametrize(
    "content",
    [b"\xff" * 20, b"\x3a\xff\x01", b"\x3b", b"\x08", b"\x39\x00"],
    ids=["varint", "size", "group", "end", "64"],
)
def test_a_malformed_model_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        refers_to_files(content)


def test_messages_that_are_nested_without_end_are_refused() -> None:
    graph = b""
    for _ in range(100):  # a graph in an attribute of a node of a graph
        for field in (6, 5, 1):
            graph = bytes([field << 3 | 2]) + _varint(len(graph)) + graph
    with pytest.raises(ValueError, match="deep"):
        refers_to_files(bytes([7 << 3 | 2]) + _varint(len(graph)) + graph)


def _varint(number: int) -> bytes:
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
