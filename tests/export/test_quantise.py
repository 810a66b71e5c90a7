"""Eight bits give a model a third of the size that answers alike, or it is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from export import quantise
from export.graph import ExportError
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier

Streams = Callable[[int], NDArray[np.float16]]


@pytest.fixture(scope="module")
def small(exported: Bundle) -> bytes:
    rng = np.random.default_rng(0)
    levels = rng.uniform(-3, 0, (8, 1, 17)).repeat(48, axis=2)
    return quantise.quantised(exported.model, (levels + rng.normal(0, 0.4, (8, 64, 816))).astype(np.float16))


def test_it_is_smaller_and_answers_alike(exported: Bundle, small: bytes, streams: Streams) -> None:
    assert len(small) < 0.5 * len(exported.model)
    loss = quantise.check(exported.model, small, streams(4))
    assert loss.mean_change < quantise.MEAN_CHANGE


def test_the_daemons_classifier_runs_it(exported: Bundle, small: bytes) -> None:
    classifier = Classifier(replace(exported, model=small), "cpu")
    outputs, _ = classifier.run(np.full((64, 48), -1, np.float32), classifier.initial_state())
    assert outputs["scores"].shape == (1, 3)


def test_a_model_that_answers_otherwise_is_refused(exported: Bundle, streams: Streams) -> None:
    other = quantise.quantised(exported.model, np.full((2, 64, 816), -4, np.float16))  # of silence alone
    with pytest.raises(ExportError) as refused:
        quantise.check(exported.model, other, streams(4))
    assert refused.value.code == "export-eight-bits"
