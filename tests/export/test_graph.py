"""What is exported answers as torch does, for any batch; what does not is not exported."""

import numpy as np
import pytest
import torch

from export.graph import ExportError, Probabilities, prove, runtime, to_onnx
from listener.features import FeatureSpec
from models.network import SoundNet, make_net
from models.recipe import Recipe
from tests.models.sounds import tiny_recipe


@pytest.fixture(scope="module")
def net() -> SoundNet:
    torch.manual_seed(0)
    return make_net(tiny_recipe()).eval()


@pytest.fixture(scope="module")
def model(net: SoundNet) -> bytes:
    return to_onnx(net, FeatureSpec())


def test_onnx_runtime_agrees_with_torch_to_a_ten_thousandth(net: SoundNet, model: bytes) -> None:
    assert prove(Probabilities(net), model, FeatureSpec()) < 1e-4


def test_the_batch_is_dynamic_and_scores_are_probabilities(model: bytes) -> None:
    for count in (1, 2, 7):
        scores = runtime(model)(np.random.default_rng(0).normal(0, 3, (count, 64, 297)).astype(np.float32))
        assert scores.shape == (count, 2)
        assert ((scores >= 0) & (scores <= 1)).all()


def test_another_networks_graph_fails_the_proof(model: bytes) -> None:
    torch.manual_seed(1)
    with pytest.raises(ExportError, match="differ"):
        prove(Probabilities(make_net(tiny_recipe()).eval()), model, FeatureSpec())


def test_the_default_network_fits_into_the_bundle() -> None:
    assert len(to_onnx(make_net(Recipe()).eval(), FeatureSpec())) < 2_800_000
