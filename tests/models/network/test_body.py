"""The body is YAMNet's first layers, delayed, at one level whatever the sound's own."""

import numpy as np
import pytest
import torch
from torch import Tensor

from listener.pipeline.features import FeatureSpec, LogMel
from listener.pipeline.values import Floats
from models.data.frontend import mel_filters
from models.evaluation.yamnet import WINDOW, YAMNET
from models.network.body import BANDS, EARLY, FLOOR_DB, NATURAL, OFFSET, PEAK_DB, SILENCE, Body, Leveller
from models.network.shape import Shape

SPEC = FeatureSpec()
here = pytest.mark.skipif(not YAMNET.is_file(), reason=f"{YAMNET} is not here")


@pytest.fixture(scope="module")
def sound() -> Floats:
    """A siren and noise, of about -20 dBFS."""
    seconds = np.arange(WINDOW + 400) / 16_000
    wave = 0.1 * np.sin(2 * np.pi * (900 * seconds - 60 * np.cos(2 * np.pi * 2 * seconds)))
    return (wave + 0.03 * np.random.default_rng(0).normal(size=len(wave))).astype(np.float32)


class Original:
    """YAMNet itself, with its intermediate tensors."""

    def __init__(self, sound: Floats) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._net = Interpreter(str(YAMNET), num_threads=1, experimental_preserve_all_tensors=True)
        self._net.allocate_tensors()
        self._net.set_tensor(0, sound[:WINDOW])
        self._net.invoke()

    def __call__(self, name: str) -> Floats:
        tensor = next(tensor for tensor in self._net.get_tensor_details() if tensor["name"].startswith(name))
        scale, zero = tensor["quantization"]
        numbers = self._net.get_tensor(tensor["index"]).astype(np.float32)
        return (numbers - zero) * scale if scale else numbers


@here
def test_the_front_end_is_yamnets(sound: Floats) -> None:
    level_db = LogMel(SPEC, mel_filters(SPEC)).columns(sound)[:, :96] * SPEC.scale_db + SPEC.mean_db
    ours = np.log(np.exp(level_db * NATURAL) + OFFSET)
    np.testing.assert_allclose(ours, Original(sound)("feature_patch")[0].T, atol=0.02)


@here
def test_the_early_features_are_yamnets(sound: Floats) -> None:
    original, body = Original(sound), Body(SPEC, Shape())
    body.take(YAMNET)
    patch = torch.from_numpy(original("feature_patch")).transpose(1, 2).unsqueeze(1)  # mels before columns
    # The strides of both meet after 3 columns; then our features are 3 frames late.
    plane = torch.cat([torch.full((1, 1, 64, 3), SILENCE), patch, torch.full((1, 1, 64, 29), SILENCE)], dim=3)
    with torch.inference_mode():
        for layer, state in zip(body.layers[:EARLY], body.initial(1)[1:], strict=False):
            plane, _ = layer(plane, state)
    theirs = original("tower0/network/layer11/conv/Relu6").transpose(0, 3, 2, 1)
    inside = slice(3, 9)  # frames that do not see the edges of the patch
    ours = plane[..., 3:][..., inside].flatten().numpy()
    assert np.corrcoef(ours, theirs[..., inside].flatten())[0, 1] > 0.99


@here
@pytest.mark.parametrize("exact", [0, 2])
def test_kernels_of_late_layers_are_folded_so_that_they_answer_earlier(exact: int) -> None:
    body, whole = Body(SPEC, Shape(exact=exact)), Body(SPEC, Shape(exact=5))
    body.take(YAMNET)
    whole.take(YAMNET)
    for number, (one, other) in enumerate(zip(body.layers, whole.layers, strict=True)):
        ours, theirs = one.time.conv.weight, other.time.conv.weight
        if number > EARLY + exact:
            assert not ours[..., 0].any()
            torch.testing.assert_close(ours.sum(dim=3), theirs.sum(dim=3))
        else:
            torch.testing.assert_close(ours, theirs)


def levelled(level_db: Tensor, state: float = 0.0) -> tuple[Tensor, float]:
    """The level after the leveller, in dB, of columns (columns,) of flat spectra; and the state."""
    mel = ((level_db - SPEC.mean_db) / SPEC.scale_db).expand(1, 64, -1)
    out, after = Leveller(SPEC)(mel, torch.tensor([[state]]))
    return torch.log((torch.exp(out) - OFFSET).clamp(min=1e-9))[0, 0] / NATURAL, float(after)


@pytest.mark.parametrize("onset_db", [-30.0, 0.0, 40.0])
def test_a_sound_begins_at_one_level_whatever_its_own(onset_db: float) -> None:
    level_db = torch.cat([torch.full((20,), -60.0), torch.full((80,), onset_db)])
    out, state = levelled(level_db)
    torch.testing.assert_close(out[20:], torch.full((80,), PEAK_DB), atol=0.05, rtol=0)
    assert state == pytest.approx(onset_db - FLOOR_DB, abs=1e-3)


def test_silence_is_not_raised() -> None:
    out, state = levelled(torch.full((50,), -70.0))
    assert out.max() < PEAK_DB - 30
    assert state == 0


def test_after_a_loud_column_the_level_falls_by_6_db_a_second() -> None:
    level_db = torch.cat([torch.full((1,), 20.0), torch.full((200,), -20.0)])
    out, state = levelled(level_db)
    assert out[0] == pytest.approx(PEAK_DB, abs=0.05)
    assert out[1] == pytest.approx(PEAK_DB - 40, abs=0.5)
    assert out[101] - out[1] == pytest.approx(6, abs=0.3)
    assert state == pytest.approx(20 - FLOOR_DB - 12, abs=0.05)


def test_the_level_goes_on_from_the_state() -> None:
    level_db = torch.linspace(30, -30, 64)
    whole, last = levelled(level_db)
    first, state = levelled(level_db[:16])
    second, after = levelled(level_db[16:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, atol=1e-3, rtol=1e-4)
    assert after == pytest.approx(last, abs=1e-4)


def test_another_front_end_is_refused() -> None:
    for name, value in BANDS.items():
        other = {"mels": 40, "mel_scale": "slaney", "power": 2}.get(name, 300)
        if other != value:
            with pytest.raises(ValueError, match="front end"):
                Body(FeatureSpec(**{name: other}), Shape())  # type: ignore[arg-type]


def test_shapes_that_cannot_be_are_refused() -> None:
    for wrong in ({"layers": 6}, {"layers": 13}, {"frozen": 13}, {"frozen": -1}, {"exact": -1}, {"hidden": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Shape(**wrong)  # type: ignore[arg-type]


def test_frozen_layers_are_not_trained() -> None:
    body = Body(SPEC, Shape(frozen=3))
    trained = [any(weight.requires_grad for weight in layer.parameters()) for layer in body.layers]
    assert trained == [False] * 3 + [True] * 9
