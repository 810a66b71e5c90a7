"""Episodes are honest: what is to be named never comes from a recording that was shown."""

import numpy as np
import pytest

from listener.pipeline.values import Floats
from models.data.recordings import DataError
from models.evaluation.test_split import Files
from models.experiments.fewshot import QUERIES, WAYS, _draw, by_source, episodes, statistics, unit

LABELS = tuple("abcdef")


def test_files_are_gathered_by_label_and_source() -> None:
    files = _files(("dog", "cat", "dog", "dog"), ("1", "2", "3", "4"))
    source_of = {"1": "park", "2": "park", "3": "yard", "4": "park"}
    assert by_source(files, source_of) == {"dog": [[0, 3], [2]], "cat": [[1]]}


def test_an_episode_has_no_two_files_of_one_source() -> None:
    sources = [[0, 1, 2, 3], [4], [5, 6]]
    for seed in range(50):
        drawn = _draw(sources, 3, np.random.default_rng(seed))
        assert sorted(next(n for n, files in enumerate(sources) if file in files) for file in drawn) == [0, 1, 2]


def test_labels_that_lie_apart_are_always_named_rightly() -> None:
    described, sources = _apart(10)
    assert episodes(described, sources, 1, count=20).tolist() == [1.0] * 20


def test_a_description_that_says_nothing_is_right_one_time_in_five() -> None:
    _, sources = _apart(100)  # with few, some lie near each other by chance
    noise = unit(np.random.default_rng(0).standard_normal((600, 32), dtype=np.float32))
    assert episodes(noise, sources, 5, count=200).mean() == pytest.approx(1 / WAYS, abs=0.05)


def test_a_description_of_the_source_alone_is_no_help() -> None:
    """Forty cuts of each recording, all alike: to have seen one of them must not name another."""
    recordings = unit(np.random.default_rng(1).standard_normal((60, 256), dtype=np.float32))
    cuts = np.repeat(recordings, 40, axis=0)
    numbers = np.arange(len(cuts)).reshape(len(LABELS), 10, 40)
    sources = {label: of.tolist() for label, of in zip(LABELS, numbers, strict=True)}
    assert episodes(cuts, sources, 1, count=200).mean() == pytest.approx(1 / WAYS, abs=0.05)


def test_too_few_recordings_are_an_error_that_counts_them() -> None:
    described, sources = _apart(QUERIES + 1)
    with pytest.raises(DataError, match="0 labels have 10 source recordings"):
        episodes(described, sources, 5)


def test_a_spectrograms_statistics_do_not_say_how_loud_it_was() -> None:
    mels = np.random.default_rng(2).normal(size=(3, 64, 50)).astype(np.float32)
    np.testing.assert_allclose(statistics(mels + 1), statistics(mels), atol=1e-5)


def _apart(recordings: int) -> tuple[Floats, dict[str, list[list[int]]]]:
    """Six labels of so many recordings of one file, each label in a direction of its own."""
    described = np.repeat(np.eye(len(LABELS), dtype=np.float32), recordings, axis=0)
    numbers = np.arange(len(described)).reshape(len(LABELS), recordings, 1)
    return described, {label: of.tolist() for label, of in zip(LABELS, numbers, strict=True)}


def _files(labels: tuple[str, ...], names: tuple[str, ...]) -> Files:
    return Files(labels, ("some",) * len(labels), names, np.zeros((4, 64, 297), np.float16), np.arange(4))
