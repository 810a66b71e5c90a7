"""A checkpoint becomes a bundle that gives, as the daemon runs it, what torch gives for the whole stream."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.bundle import _first_frame_s, main
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier, StreamClassifier
from listener.pipeline.features import LogMel
from listener.pipeline.values import Clip, ClipContext, Floats, Prediction, Span
from models.network.body import CHUNK
from models.network.network import LAG, WINDOW
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from tests.export.conftest import LABELS, REQUIRED, small_checkpoint
from tests.fakes import noise

HOP = 3 * CHUNK * 160  # samples


def sound(seconds: float) -> Floats:
    """Noise with steps of level."""
    steps = np.random.default_rng(1).uniform(0, 1, int(seconds * 4) + 1) ** 3
    return (noise(seconds, -12) * steps.repeat(4000)[: int(seconds * 16_000)]).astype(np.float32)


def clips(wave: Floats, stops: list[int], begins: int = 0) -> list[Clip]:
    """Clips of a stream that end at some samples; the stream began at one."""
    length, found = 48_000, []
    for stop in stops:
        span = Span(max(begins, stop - length), stop)
        samples = np.zeros(length, np.float32)
        samples[length - len(span) :] = wave[span.start : stop]
        found.append(Clip(span, samples, ClipContext(span, -20.0)))
    return found


def predictions(loaded: Bundle, classify: StreamClassifier, some: list[Clip]) -> list[Prediction]:
    log_mel = LogMel(loaded.features, loaded.filters)
    return [classify(log_mel(clip)) for clip in some]


def test_the_manifest_describes_the_checkpoint(exported: Bundle, trained: Checkpoint) -> None:
    manifest = exported.manifest
    assert (manifest.format, manifest.name, manifest.licence, manifest.chunk_columns) == (2, "tiny", "CC0", CHUNK)
    assert exported.labels == LABELS
    assert exported.features == trained.recipe.spec
    assert (exported.filters == trained.filters).all()
    assert exported.about("smoke_alarm").kind == "urgent"
    assert exported.about("dog_bark").name == "Barking dog"
    assert [exported.rule("dog_bark", point).on for point in ("low", "medium", "high")] == [0.9, 0.5, 0.3]
    assert exported.rule("smoke_alarm").min_s > 0
    assert exported.groups["alarm"] == ["smoke_alarm", "alarm"]
    assert manifest.provenance["folds"] == "all but 3"
    assert json.loads(manifest.provenance["recipe"])["leave_out_fold"] == 3
    assert exported.familiar == -1.0  # any similarity: a limit cost as many events as false alarms


def test_a_long_stream_gives_what_torch_gives_at_once(exported: Bundle, trained: Checkpoint) -> None:
    wave, net = sound(12), trained.net()
    stops = list(range(48_000, len(wave) + 1, HOP))
    given = predictions(exported, Classifier(exported, "cpu").stream(), clips(wave, stops))
    columns = LogMel(exported.features, exported.filters).columns(wave)[:, : (stops[-1] - 400) // 160 + 1]
    silence = np.full((64, 6), (20 * np.log10(1e-5) + 20) / 20, np.float32)  # fills the first run up to whole chunks
    with torch.inference_mode():
        answers = net(torch.from_numpy(np.concatenate([silence, columns], axis=1))[None])
    for number, prediction in enumerate(given):
        chunk = 18 + 3 * number
        scores = torch.sigmoid(answers.scores[0, :, chunk]).numpy()
        scores[1] *= 1 - scores[0]  # an alarm that is a smoke alarm is not another one
        np.testing.assert_allclose(prediction.scores, scores, atol=1e-4)
        stop = 2 * (chunk + 1)
        frames = torch.sigmoid(answers.frames[0, :, stop - WINDOW : stop]).numpy()
        np.testing.assert_allclose(prediction.frame_scores[[0, 2]], frames[[0, 2]], atol=1e-4)  # type: ignore[index]
        np.testing.assert_allclose(prediction.embedding, answers.embedding[0, :, chunk], atol=1e-4)
    assert np.ptp([prediction.scores[2] for prediction in given]) > 0.01


def test_after_a_gap_scores_are_those_of_a_stream_that_begins_there(exported: Bundle) -> None:
    wave, begins = sound(12), 100_000
    stops = list(range(104_000, len(wave), HOP))
    classifier = Classifier(exported, "cpu")
    through_a_gap = classifier.stream()
    predictions(exported, through_a_gap, clips(wave, list(range(48_000, 90_000, HOP))))
    after = predictions(exported, through_a_gap, clips(wave, stops, begins))
    fresh = predictions(exported, classifier.stream(), clips(wave, stops, begins))
    for ours, theirs in zip(after, fresh, strict=True):
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)


def test_scores_do_not_depend_on_how_often_clips_come(exported: Bundle) -> None:
    wave, classifier = sound(10), Classifier(exported, "cpu")
    common = [48_000 + 2 * HOP * n for n in range(7)]
    dense = sorted({*common, *range(48_000, common[-1], CHUNK * 160), *range(50_000, common[-1], 3200)})
    by_stop = {p.span.stop: p for p in predictions(exported, classifier.stream(), clips(wave, dense))}
    for prediction in predictions(exported, classifier.stream(), clips(wave, common)):
        np.testing.assert_allclose(prediction.scores, by_stop[prediction.span.stop].scores, atol=1e-4)


def test_frames_are_placed_where_their_columns_are(trained: Checkpoint) -> None:
    spec = trained.recipe.spec
    newest_columns_centre = (spec.columns - 1) * 160 - 3.5 * 160 + 80  # of the last 8, a window beginning with each
    last_frame = newest_columns_centre - LAG * 1280
    assert _first_frame_s(trained) * 16_000 == pytest.approx(last_frame - (WINDOW - 1) * 1280, abs=1)


@pytest.mark.parametrize("change", [{"step": 1}, {"projection": None}])
def test_a_run_that_is_not_complete_is_not_exported(
    change: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path / "checkpoint.pt", replace(small_checkpoint(), **change))  # type: ignore[arg-type]
    words = ["--checkpoint", str(tmp_path / "checkpoint.pt"), "--out", str(tmp_path / "b"), *REQUIRED]
    assert main(words) == 1
    assert "--resume" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
