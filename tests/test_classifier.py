"""The classifier: independent scores, in the bundle's order, from the provider that was asked for."""

import numpy as np
import pytest

from listener.bundle import Bundle
from listener.classifier import Classifier
from listener.errors import ClassifierError
from listener.features import LogMel, whole
from tests.fakes import noise


def test_scores_are_independent_probabilities_in_label_order(tiny: Bundle) -> None:
    prediction = Classifier(tiny)(LogMel(tiny.features, tiny.filters)(whole(noise(3, -10))))
    assert prediction.scores.shape == (3,)
    assert prediction.scores.dtype == np.float32
    assert ((prediction.scores >= 0) & (prediction.scores <= 1)).all()


def test_the_span_is_carried_along(tiny: Bundle) -> None:
    clip = whole(noise(3, -10))
    assert Classifier(tiny)(LogMel(tiny.features, tiny.filters)(clip)).span == clip.span


def test_auto_says_what_it_took(tiny: Bundle) -> None:
    assert Classifier(tiny, "auto").provider in ("cpu", "cuda")


def test_cuda_without_cuda_is_an_error_with_the_remedy(tiny: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ClassifierError, match="pip install onnxruntime-gpu"):
        Classifier(tiny, "cuda")
