"""What is exported answers as torch does, for any batch and shape; what does not is not exported."""

import numpy as np
import pytest
import torch

from export.graph import Exported, ExportError, Runtime, prove, to_onnx
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from models.evaluation.calibration import Calibration
from models.network.network import SoundNet, make_net
from models.training.recipe import Recipe
from tests.models.sounds import tiny_recipe, tiny_shape

SPEC = FeatureSpec()
CALIBRATION = Calibration(("low", "high"), (2.0, 0.5), (-1.0, 0.3), {})
SWITCHES: list[dict[str, object]] = [
    {"level_free": False, "frequency": False, "serial": "none", "pooling": "mean"},
    {"sub_bands": 4, "harmonics": True, "pooling": "max"},
    {"modulation": 8},
    {"tall": 9, "serial": "gru"},
]


@pytest.fixture(scope="module")
def net() -> SoundNet:
    torch.manual_seed(0)
    return make_net(tiny_recipe()).eval()


@pytest.fixture(scope="module")
def model(net: SoundNet) -> bytes:
    return to_onnx(Exported(net), SPEC)


def mels(count: int) -> Floats:
    return np.random.default_rng(0).normal(-1, 0.7, (count, 64, 297)).astype(np.float32)


def test_scores_frames_and_embedding_are_torchs(net: SoundNet, model: bytes) -> None:
    scores, frames, embedding = Runtime(model).all(mels(5))
    with torch.inference_mode():
        ours = net(torch.from_numpy(mels(5)))
    np.testing.assert_allclose(scores, torch.sigmoid(ours.scores), atol=1e-4)
    np.testing.assert_allclose(frames, torch.sigmoid(ours.frames), atol=1e-4)
    np.testing.assert_allclose(embedding, ours.embedding, atol=1e-4)
    assert prove(Exported(net), model, SPEC) < 1e-4


def test_with_examples_it_says_how_familiar_a_clip_is(net: SoundNet, model: bytes) -> None:
    examples = torch.nn.functional.normalize(torch.randn(20, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    *others, said = Runtime(to_onnx(Exported(net, examples=examples), SPEC)).all(mels(4))
    embedding = others[2]
    nearest = np.sort(embedding @ examples.numpy().T, axis=1)[:, -5:].mean(axis=1)
    np.testing.assert_allclose(said, nearest, atol=0.01)  # the examples are rounded to eight bits
    for with_examples, without in zip(others, Runtime(model).all(mels(4)), strict=True):
        np.testing.assert_allclose(with_examples, without, atol=1e-5)


def test_calibration_is_folded_into_the_scores_and_into_nothing_else(net: SoundNet, model: bytes) -> None:
    scores, *others = Runtime(to_onnx(Exported(net, CALIBRATION), SPEC)).all(mels(3))
    raw, *same = Runtime(model).all(mels(3))
    np.testing.assert_allclose(scores, CALIBRATION.apply(raw), atol=1e-4)
    assert np.abs(scores - raw).max() > 0.05
    for calibrated, plain in zip(others, same, strict=True):
        np.testing.assert_allclose(calibrated, plain, atol=1e-4)


@pytest.mark.parametrize("switches", SWITCHES, ids=[", ".join(switches) for switches in SWITCHES])
def test_every_switch_of_the_shape_is_exported_equal(switches: dict[str, object]) -> None:
    torch.manual_seed(0)
    module = Exported(make_net(tiny_recipe(shape=tiny_shape(**switches))))
    assert prove(module, to_onnx(module, SPEC), SPEC) < 1e-4


def test_the_batch_is_dynamic_and_scores_are_probabilities(model: bytes) -> None:
    for count in (1, 2, 7):
        scores = Runtime(model)(3 * mels(count))
        assert scores.shape == (count, 2)
        assert ((scores >= 0) & (scores <= 1)).all()


def test_another_networks_graph_fails_the_proof(model: bytes) -> None:
    torch.manual_seed(1)
    with pytest.raises(ExportError, match="differ"):
        prove(Exported(make_net(tiny_recipe()).eval()), model, SPEC)


def test_the_default_network_fits_into_the_bundle_without_the_teachers_head() -> None:
    net = make_net(Recipe()).eval()
    model = to_onnx(Exported(net), SPEC)
    taught = sum(weight.numel() for weight in net.teacher.parameters())
    assert b"network.py" not in model  # nobody's folders travel with it
    assert len(model) < 4 * (sum(weight.numel() for weight in net.parameters()) - taught) + 4 * taught // 3
