"""Files are scored as the daemon's `classify --scores` does, and synthesised tests are not training's sounds."""

from pathlib import Path

import numpy as np
import pytest

from listener.features import FeatureSpec, LogMel
from models.evaluate import Scored, _summary, unseen_sound
from models.frontend import mel_filters
from models.scenes import frames, write_clips
from models.scoring import clips, file_scores
from models.synthesis import STANDARD


def test_a_long_file_is_heard_every_half_second_to_its_end() -> None:
    samples = np.arange(66_000, dtype=np.float32)
    cut = clips(samples, 48_000, 8_000)
    assert [int(clip[-1]) + 1 for clip in cut] == [48_000, 56_000, 64_000, 66_000]
    assert all(len(clip) == 48_000 for clip in cut)


def test_a_short_file_stands_at_the_end_of_a_quiet_clip() -> None:
    (clip,) = clips(np.ones(1000, np.float32), 48_000, 8_000)
    assert (clip[-1000:] == 1).all()
    assert np.abs(clip[:-1000]).max() < 1e-3


def test_the_score_of_a_file_is_the_mean_over_its_clips() -> None:
    spec = FeatureSpec()
    log_mel = LogMel(spec, mel_filters(spec))
    scores = file_scores(
        np.zeros(64_000, np.float32), log_mel, lambda mels: np.arange(len(mels), dtype=np.float32)[:, None]
    )
    assert scores.tolist() == [1.0]


def test_the_report_tells_the_sets_own_labels_from_all() -> None:
    labels = ("rain", "sea_waves", "siren")
    said = [Scored("rain", "x", np.array([0.4, 0.1, 0.5])), Scored("sea_waves", "x", np.array([0.1, 0.9, 0.2]))]
    summary = _summary(said, labels)
    assert (summary["accuracy_own_labels"], summary["accuracy_all_labels"]) == (1.0, 0.5)
    assert summary["confused"] == [["rain", "siren", 1]]


@pytest.mark.parametrize("label", STANDARD)
def test_an_unseen_sound_is_within_full_scale_and_reproducible(label: str) -> None:
    sound = unseen_sound(label, 0)
    assert 3 * 16_000 <= len(sound) <= 6 * 16_000
    assert np.abs(sound).max() <= 1.0
    assert np.array_equal(sound, unseen_sound(label, 0))


def test_synthesised_clips_are_listed_for_scenes_and_can_be_streamed(tmp_path: Path) -> None:
    listing = write_clips(tmp_path, 1, 3)
    lines = listing.read_text().splitlines()
    assert lines[0] == "path,dataset,label,fold"
    assert len(lines) == 1 + len(STANDARD)
    heard = list(frames(tmp_path / "doorbell-000.flac"))
    assert len(heard) == 300
