"""A graph that computes something else than the network is not exported."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.graph import Exported, ExportError, prove
from export.runtime import Runtime
from listener.pipeline.bundle import Bundle
from models.training.checkpoint import Checkpoint
from tests.export.conftest import LABELS


@pytest.fixture(scope="module")
def module(trained: Checkpoint) -> Exported:
    return Exported(trained.net(), LABELS, trained.examples).eval()


def test_the_graph_computes_what_torch_does(module: Exported, exported: Bundle) -> None:
    assert prove(module, exported.model, exported.features) < 1e-4


def test_another_graph_is_refused(module: Exported, exported: Bundle) -> None:
    model = onnx.load_from_string(exported.model)
    for part in model.graph.initializer:
        if len(part.dims) > 1 and part.data_type == onnx.TensorProto.FLOAT:
            part.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(part) * 1.01, part.name))
    with pytest.raises(ExportError) as refused:
        prove(module, model.SerializeToString(), exported.features)
    assert refused.value.code == "export-differs"


def test_similarity_is_the_mean_cosine_of_the_nearest_examples(trained: Checkpoint, exported: Bundle) -> None:
    run = Runtime(exported.model)
    outputs, _ = run(np.random.default_rng(0).normal(-1, 0.7, (1, 64, 64)).astype(np.float32), run.initial())
    assert trained.examples is not None
    cosines = trained.examples.numpy() @ outputs["embedding"][0]
    assert outputs["familiarity"][0] == pytest.approx(np.sort(cosines)[-5:].mean(), abs=0.01)


def test_a_general_label_is_scored_only_as_far_as_its_parts_are_not() -> None:
    net = torch.nn.Identity()
    module = Exported(net, ("alarm", "smoke_alarm", "co_alarm", "dog_bark"))  # type: ignore[arg-type]
    scores = module._apart(torch.tensor([[0.8, 0.5, 0.75, 0.3]]))
    torch.testing.assert_close(scores, torch.tensor([[0.2, 0.5, 0.75, 0.3]]))


def test_no_path_of_the_machine_that_exported_is_in_the_model(exported: Bundle) -> None:
    assert b"/models/network" not in exported.model
