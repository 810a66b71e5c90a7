"""The loop runs over a list as over a microphone, and everything that began in it has ended in it."""

import numpy as np
import pytest
import soundfile

from listener import config as configuration
from listener.daemon.build import build_pipeline
from listener.daemon.meter import Meter
from listener.messages import Event
from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import Framer
from listener.pipeline.values import Features, Floats, Frames, Prediction
from tests.conftest import with_manifest
from tests.fakes import FakeClassifier, blocks, noise, pcm


def events(samples: Floats, bundle: Bundle, *overrides: str) -> list[Event]:
    config = configuration.load(None, overrides)
    loop = build_pipeline(config, bundle, FakeClassifier(len(bundle.labels)), "test")
    return list(loop.events(Framer(16_000).frames(blocks(pcm(samples)))))


def sound_at(start_s: float, stop_s: float, total_s: float) -> Floats:
    samples = noise(total_s, -70)
    samples[int(start_s * 16_000) : int(stop_s * 16_000)] += noise(stop_s - start_s, -12, seed=1)
    return samples


def test_a_sound_in_a_quiet_room_is_one_event_with_its_times(tiny: Bundle) -> None:
    start, *_, end = events(sound_at(10, 12, 20), tiny)
    assert (start.phase, start.label, end.phase) == ("start", "hiss", "end")
    assert abs(start.start_s - 10) < 0.1
    assert start.detected_s - 10 < 0.6
    assert end.end_s is not None
    assert abs(end.end_s - 12) < 0.5


def test_with_frame_scores_a_window_that_stays_hot_lengthens_nothing(tiny: Bundle) -> None:
    def classify(features: Features) -> Prediction:
        loud = features.mel.max(axis=0) > 0
        frames = np.stack([loud[column : column + 8].any() for column in range(0, len(loud), 8)])
        scores = np.array([loud.any(), 0, 0], dtype=np.float32)
        return Prediction(features.span, scores, features.context, np.outer([1, 0, 0], frames).astype(np.float32))

    loop = build_pipeline(configuration.load(None), with_manifest(tiny, frame_s=0.08), classify, "test")
    start, *_, end = loop.events(Framer(16_000).frames(blocks(pcm(sound_at(10, 11, 20)))))
    assert (start.start_s, end.end_s) == pytest.approx((10, 11), abs=0.15)
    assert len({start.id, end.id}) == 1


def test_silence_is_no_event_and_costs_no_inference(tiny: Bundle) -> None:
    config = configuration.load(None)
    loop = build_pipeline(config, tiny, FakeClassifier(3), "test")
    meter = Meter("test", loop)
    loop.observers = (meter,)
    assert list(loop.events(Framer(16_000).frames(blocks(pcm(noise(60, -70)))))) == []
    assert meter.clips < 20  # while the floor is being found, and then no more


def test_a_sound_that_lasts_to_the_end_has_ended_when_the_stream_has(tiny: Bundle) -> None:
    assert [event.phase for event in events(sound_at(5, 8, 8), tiny)][-1] == "end"


def test_a_steady_sound_is_not_adapted_away_while_it_is_reported(tiny: Bundle) -> None:
    start, *_, end = events(sound_at(5, 65, 75), tiny)
    assert end.id == start.id
    assert end.end_s is not None
    assert end.end_s > 62


def test_a_recording_shorter_than_a_clip_is_classified(tiny: Bundle) -> None:
    assert [event.phase for event in events(noise(0.5, -12), tiny)] == ["start", "end"]


def test_every_gate_lets_a_loud_sound_through(tiny: Bundle) -> None:
    for kind in ("webrtc", "bands", "either", "open"):
        assert events(sound_at(10, 12, 15), tiny, f"gate.kind={kind}"), kind


def test_a_meter_that_looks_on_changes_nothing(tiny: Bundle) -> None:
    config = configuration.load(None)
    loop = build_pipeline(config, tiny, FakeClassifier(3), "test")
    meter = Meter("test", loop)
    loop.observers = (meter,)
    seen = loop.events(Framer(16_000).frames(blocks(pcm(sound_at(10, 12, 15)))))
    plain = events(sound_at(10, 12, 15), tiny)
    assert [(e.phase, e.start_s, e.peak) for e in seen] == [(e.phase, e.start_s, e.peak) for e in plain]
    assert meter.clips > 0
    assert meter.level().at_s == 15.0


def test_the_real_classifier_stands_where_the_fake_did(tiny: Bundle) -> None:
    loop = build_pipeline(configuration.load(None), tiny, Classifier(tiny).stream(), "test")
    heard = list(loop.events(Framer(16_000).frames(blocks(pcm(sound_at(3, 5, 8))))))
    assert heard
    assert np.isfinite([event.peak for event in heard]).all()


def test_what_is_reported_depends_on_nothing_heard_later() -> None:
    shipped = bundle.load(bundle.find(bundle.DEFAULT))
    classifier = Classifier(shipped, "cpu")
    heard, rate = soundfile.read(bundle.ASSETS / "demo.ogg", dtype="float32")
    frames = list(Framer(rate).frames(blocks(pcm(heard), block_s=0.02)))

    def started(some: list[Frames]) -> list[tuple[str, float, float]]:
        loop = build_pipeline(configuration.load(None), shipped, classifier.stream(), "test")
        return [(e.label, e.start_s, e.detected_s) for e in loop.events(some) if e.phase == "start"]

    whole = started(frames)
    assert whole
    for _, _, detected_s in whole:
        assert started(frames[: round(detected_s * 50)]) == [event for event in whole if event[2] <= detected_s]
