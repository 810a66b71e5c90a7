"""YAMNet's layers are YAMNet's: they see what it sees, and what is learned on leaves the first of them as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from listener.pipeline.features import FeatureSpec, LogMel
from listener.pipeline.values import Floats
from models.data.frontend import mel_filters
from models.data.recordings import DataError
from models.evaluation.yamnet import PEER, WINDOW
from models.network.network import loudness, make_net
from models.network.pretrained import BANDS, Convolution, Magnitudes, Yamnet
from models.training.preflight import check_pretrained
from models.training.recipe import Recipe, Shape
from models.training.trainer import Batches, Learning
from tests.models.sounds import random_pool, tiny_mixing, tiny_recipe, tiny_shape

SPEC = FeatureSpec(**BANDS)  # type: ignore[arg-type]

here = pytest.mark.skipif(not PEER.is_file(), reason=f"{PEER} is not here: its layers are not compared with ours")


def recipe(**shape: object) -> Recipe:
    changes = {"pretrained": 7, "frozen": 2, **shape}
    return tiny_recipe(mixing=tiny_mixing(spec=SPEC), shape=tiny_shape(**changes), teacher_loss=0.0)


@pytest.fixture(scope="module")
def sound() -> Floats:
    """A siren and noise, of about -20 dBFS."""
    seconds = np.arange(WINDOW + 512) / 16_000
    wave = 0.1 * np.sin(2 * np.pi * (900 * seconds - 60 * np.cos(2 * np.pi * 2 * seconds)))
    return (wave + 0.03 * np.random.default_rng(0).normal(size=len(wave))).astype(np.float32)


class Original:
    """YAMNet itself, which shows what it made of a sound on the way."""

    def __init__(self, sound: Floats) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net = Interpreter(str(PEER), num_threads=1, experimental_preserve_all_tensors=True)
        self._net.allocate_tensors()
        self._net.set_tensor(0, sound[:WINDOW])
        self._net.invoke()

    def __call__(self, name: str) -> Floats:
        tensor = next(tensor for tensor in self._net.get_tensor_details() if tensor["name"].startswith(name))
        scale, zero = tensor["quantization"]
        numbers = self._net.get_tensor(tensor["index"]).astype(np.float32)
        return (numbers - zero) * scale if scale else numbers


@here
@pytest.mark.parametrize(("layers", "name"), [(6, "layer11"), (12, "layer23")])
def test_its_layers_answer_as_it_does(layers: int, name: str, sound: Floats) -> None:
    original, body = Original(sound), Yamnet(SPEC, Shape(), 0.0)
    body.take(PEER)
    patch = torch.from_numpy(original("feature_patch")).transpose(1, 2).unsqueeze(1)  # rows before columns
    with torch.inference_mode():
        seen = body.layers[:layers](patch).flatten().numpy()
    theirs = original(f"tower0/network/{name}/conv/Relu6").transpose(0, 3, 2, 1).flatten()
    assert np.corrcoef(seen, theirs)[0, 1] > 0.99


@here
def test_magnitudes_are_about_what_it_listens_to(sound: Floats) -> None:
    theirs = Original(sound)("feature_patch")[0].T
    mel = torch.from_numpy(LogMel(SPEC, mel_filters(SPEC)).columns(sound)[None, :, :96])
    magnitudes = Magnitudes(SPEC)(mel - loudness(mel))[0].numpy()
    assert np.corrcoef(magnitudes.ravel(), theirs.ravel())[0, 1] > 0.94  # windows of other lengths, side by side
    assert abs(float((magnitudes - theirs).mean())) < 1


@here
@pytest.mark.parametrize("frozen", [2, 7])
def test_the_first_layers_stay_and_the_rest_learn(frozen: int) -> None:
    still, pool = recipe(frozen=frozen), random_pool(teacher=False)
    learning = Learning(still, "cpu")
    before = make_net(still).body
    assert isinstance(before, Yamnet)
    before.take(PEER)
    learning(Batches(still, pool, "cpu")(0))
    after = learning.checkpoint(pool, ()).weights
    changed = {name for name, weight in before.state_dict().items() if not torch.equal(weight, after[f"body.{name}"])}
    learned = {int(name.split(".")[1]) for name in changed if name.startswith("layers.")}
    assert learned == set(range(frozen, 7))


@pytest.mark.parametrize("layers", [7, 12])
def test_every_number_of_layers_makes_frames_of_eighty_milliseconds(layers: int) -> None:
    net = make_net(recipe(pretrained=layers)).eval()
    assert net(torch.zeros(2, 64, 297)).frames.shape == (2, 2, 38)


@pytest.mark.parametrize(("columns", "first", "step"), [(297, 0, 2), (38, 1, 2), (297, 0, 1), (38, 0, 1)])
def test_a_column_lies_where_tensorflow_puts_it(columns: int, first: int, step: int) -> None:
    """At every second column it pads an odd number of them on both sides, and an even one behind alone."""
    layer, ramp = Convolution(1, 1, 3, step), torch.linspace(0, 6, columns)
    with torch.no_grad():
        layer.conv.weight.zero_()[:, :, 1, 1] = 1  # the middle of what it sees
        layer.conv.bias.zero_()  # type: ignore[union-attr]
        seen = layer(ramp.expand(1, 1, 7, columns))[0, 0, 0]
    assert torch.equal(seen, ramp[first::step])


def test_without_yamnet_there_is_nothing_to_begin_with(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="YAMNet is not here"):
        Yamnet(SPEC, Shape(pretrained=7), 0.0).take(tmp_path / "yamnet.tflite")


def test_another_network_than_yamnet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "yamnet.tflite"
    path.write_bytes(b"<html>Sign in</html>")
    with pytest.raises(DataError, match=r"no network can be read.*lite-model_yamnet_classification"):
        Yamnet(SPEC, Shape(pretrained=7), 0.0).take(path)


@pytest.mark.parametrize("layers", [1, 6, 13])
def test_a_body_needs_seven_layers_to_twelve(layers: int) -> None:
    with pytest.raises(ValueError, match="7 to 12"):
        Shape(pretrained=layers)


def test_other_bands_than_its_own_are_refused() -> None:
    with pytest.raises(ValueError, match=r"its own bands alone: --set mixing\.spec\.mels=64"):
        Yamnet(FeatureSpec(f_min_hz=50.0), Shape(), 0.0)


def test_clips_of_any_level_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one level: leave shape\.level_free"):
        Yamnet(SPEC, Shape(level_free=False), 0.0)


def test_a_training_that_begins_with_it_says_where_it_is_not(tmp_path: Path) -> None:
    check_pretrained(tiny_recipe(), tmp_path / "yamnet.tflite")
    with pytest.raises(DataError, match=r"yamnet\.tflite: YAMNet.*--set shape\.pretrained=0"):
        check_pretrained(recipe(), tmp_path / "yamnet.tflite")
