"""A checkpoint of a small network, and its bundle, made once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.bundle import main
from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle, LabelRule
from models.data.frontend import mel_filters
from models.data.mixing import Mixing
from models.evaluation import calibration as calibrations
from models.evaluation.calibration import FittedRules
from models.network.network import make_net
from models.network.shape import Shape
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.recipe import Recipe

LABELS = ("smoke_alarm", "alarm", "dog_bark")
CALIBRATION = FittedRules({"dog_bark": LabelRule(on=0.5, off=0.2)}, {"dog_bark": {"low": 0.9, "high": 0.3}})
REQUIRED = ["--name", "tiny", "--licence", "CC0", "--trained-on", "tones"]


def small_checkpoint(**changes: object) -> Checkpoint:
    """One whose run is complete, with an embedding of its own size and examples."""
    shape = Shape(layers=7, pretrained=False, hidden=16, embedding=8)
    recipe = Recipe(**{"mixing": Mixing(labels=LABELS), "shape": shape, "leave_out_fold": 3, **changes})  # type: ignore[arg-type]
    torch.manual_seed(0)
    net = make_net(recipe)
    with torch.no_grad():  # answers that differ from sound to sound
        net.answer.weight.mul_(20)
        for layer in net.body.layers:
            for weight in layer.parameters():
                if weight.ndim > 1:
                    torch.nn.init.kaiming_normal_(weight)
    weights, size = net.state_dict(), 2 * shape.hidden
    examples = torch.nn.functional.normalize(torch.randn(20, size), dim=1)
    projection = torch.eye(size), torch.zeros(size)
    return Checkpoint(recipe, mel_filters(recipe.spec), recipe.total_steps, weights, weights, {}, projection, examples)


@pytest.fixture(scope="session")
def trained() -> Checkpoint:
    return small_checkpoint()


@pytest.fixture(scope="session")
def folder(trained: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that the command wrote; it takes half a minute."""
    work = tmp_path_factory.mktemp("export")
    checkpoint.save(work / "checkpoint.pt", trained)
    calibrations.write(work / "calibration.json", CALIBRATION)
    files = ["--checkpoint", str(work / "checkpoint.pt"), "--calibration", str(work / "calibration.json")]
    assert main([*files, "--out", str(work / "bundle"), *REQUIRED]) == 0
    return work / "bundle"


@pytest.fixture(scope="session")
def exported(folder: Path) -> Bundle:
    return bundle.load(folder)


@pytest.fixture
def streams() -> Callable[[int], NDArray[np.float16]]:
    def some(count: int) -> NDArray[np.float16]:
        rng = np.random.default_rng(0)
        levels = rng.uniform(-3, 0, (count, 1, 17)).repeat(48, axis=2)
        return (levels + rng.normal(0, 0.4, (count, 64, 816))).astype(np.float16)

    return some
