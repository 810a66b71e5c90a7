"""What a network is asked about is heard as the daemon hears it, once, and is not what training has had."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from models.data.frontend import mel_filters
from models.data.mixing import FRAMES
from models.data.pool import Pool
from models.data.recordings import DataError, Recording
from models.data.synthesis import STANDARD
from models.evaluation.measures import accuracies
from models.evaluation.test_split import AT_ONCE, in_portions, mixture_precision, read_files, unseen_files, unseen_sound
from tests.models.sounds import RATE, random_pool, tone

SPEC = FeatureSpec()
FILTERS = mel_filters(SPEC)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    """A tone of four seconds, which is three clips, one of a second, which is one, and a file that is no sound."""
    soundfile.write(tmp_path / "long.wav", tone(500, 4.0), RATE)
    soundfile.write(tmp_path / "short.wav", tone(900, 1.0), RATE)
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    labels = {"long.wav": "rain", "short.wav": "siren", "bad.wav": "rain"}
    return [Recording(tmp_path / name, (label,), 1, "esc10", name) for name, label in labels.items()]


def test_the_clips_of_files_are_kept_with_whose_they_are(recordings: list[Recording], tmp_path: Path) -> None:
    files = read_files(recordings[:2], SPEC, FILTERS, tmp_path / "cache")
    assert files.labels == ("rain", "siren")
    assert files.datasets == ("esc10", "esc10")
    assert files.owner.tolist() == [0, 0, 0, 1]
    assert files.mels.shape == (4, 64, 297)


def test_a_file_that_cannot_be_read_is_named_and_left_out(
    recordings: list[Recording], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        files = read_files(recordings, SPEC, FILTERS, tmp_path / "cache")
    assert len(files.labels) == 2
    assert "bad.wav" in caplog.text


def test_no_file_that_can_be_read_is_an_error(recordings: list[Recording], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to evaluate"):
        read_files(recordings[2:], SPEC, FILTERS, tmp_path / "cache")


def test_the_second_time_no_file_is_decoded(
    recordings: list[Recording], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = read_files(recordings, SPEC, FILTERS, tmp_path / "cache")
    again = read_files(recordings, SPEC, FILTERS, tmp_path / "cache")
    assert caplog.text.count("bad.wav: cannot be decoded") == 1  # as often as it was tried
    assert np.array_equal(again.mels, first.mels)


def test_another_label_is_answered_to_by_the_same_file(recordings: list[Recording], tmp_path: Path) -> None:
    read_files(recordings[:1], SPEC, FILTERS, tmp_path / "cache")
    corrected = replace(recordings[0], labels=("sea_waves",))
    assert read_files([corrected], SPEC, FILTERS, tmp_path / "cache").labels == ("sea_waves",)


def test_a_file_that_has_changed_is_decoded_again(recordings: list[Recording], tmp_path: Path) -> None:
    read_files(recordings[:1], SPEC, FILTERS, tmp_path / "cache")
    soundfile.write(recordings[0].path, tone(500, 1.0), RATE)
    assert len(read_files(recordings[:1], SPEC, FILTERS, tmp_path / "cache").mels) == 1


def test_the_score_of_a_file_is_the_mean_over_its_clips(recordings: list[Recording], tmp_path: Path) -> None:
    files = read_files(recordings[:2], SPEC, FILTERS, tmp_path / "cache")
    scores = files.scores(lambda mels: np.arange(len(mels), dtype=np.float32)[:, None])
    assert scores.tolist() == [[1.0], [3.0]]


def test_many_clips_are_asked_about_a_portion_at_a_time() -> None:
    asked: list[int] = []

    def classify(mels: Floats) -> Floats:
        asked.append(len(mels))
        return mels[:, 0, :1]

    mels = np.arange(AT_ONCE + 3, dtype=np.float16)[:, None, None]
    assert np.array_equal(in_portions(classify, mels)[:, 0], mels[:, 0, 0])
    assert asked == [AT_ONCE, 3]


def test_accuracy_is_told_among_all_labels_and_among_the_data_sets_own(
    recordings: list[Recording], tmp_path: Path
) -> None:
    files = read_files(recordings[:2], SPEC, FILTERS, tmp_path / "cache")
    scores = np.array([[0.4, 0.1, 0.9], [0.1, 0.8, 0.2]], np.float32)
    assert accuracies(files, scores, ("rain", "siren", "dog_bark")) == {"esc10_all": 0.5, "esc10_own": 1.0}


@pytest.mark.parametrize("label", STANDARD)
def test_an_unseen_sound_is_within_full_scale_and_reproducible(label: str) -> None:
    sound = unseen_sound(label, 0)
    assert 3 * RATE <= len(sound) <= 6 * RATE
    assert np.abs(sound).max() <= 1.0
    assert np.array_equal(sound, unseen_sound(label, 0))
    assert len(sound) != len(unseen_sound(label, 1))


def test_unseen_files_are_of_the_standard_labels_that_are_asked_for(tmp_path: Path) -> None:
    files = unseen_files(("rain", "doorbell"), 2, SPEC, FILTERS, tmp_path)
    assert files.labels == ("doorbell", "doorbell")
    assert set(files.datasets) == {"synthesised"}


@pytest.fixture
def pool() -> Pool:
    """Mixtures of which everything is known."""
    pool = random_pool(60)
    return replace(pool, known=np.ones_like(pool.known))


def test_one_who_knows_the_mixtures_of_a_fold_is_wholly_precise(pool: Pool) -> None:
    mine = pool.fold == 2
    frames = np.unpackbits(pool.frames[mine], axis=2, count=FRAMES).astype(np.float32)
    oracle = pool.targets[mine].astype(np.float32), frames
    assert mixture_precision(lambda _: oracle, pool, 2, [0, 1]) == (1.0, 1.0)


def test_one_who_guesses_is_as_precise_as_labels_are_frequent(pool: Pool) -> None:
    def guess(mels: Floats) -> tuple[Floats, Floats]:
        return np.zeros((len(mels), 2), np.float32), np.zeros((len(mels), 2, FRAMES), np.float32)

    of_clips, of_frames = mixture_precision(guess, pool, 2, [0, 1])
    assert of_clips == pytest.approx(0.5)
    assert of_frames == pytest.approx(0.25, abs=0.05)
