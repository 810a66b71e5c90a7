"""The recorder: the last of a stream's audio and what was said in it, and nothing where nobody asked."""

import threading

import numpy as np
import pytest

from listener import config as configuration
from listener.daemon.build import build_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.stream import Stream
from listener.pipeline.bundle import Bundle
from listener.pipeline.values import ClipContext, Prediction, Span
from listener.routing.recorder import Recorder
from listener.routing.sink_worker import SinkBinding
from tests.fakes import FRAME, FakeClassifier, FakeSink, FakeSource, blocks, frames, noise, pcm

RATE = 16_000
LABELS = ("dog_bark", "speech", "children_playing")


def heard(recorder: Recorder, start_s: float, stop_s: float) -> None:
    for start in range(round(start_s * RATE), round(stop_s * RATE), FRAME):
        recorder.on_frames(frames(start), np.array([True]))


def predicted(recorder: Recorder, stop_s: float, *scores: float) -> None:
    span = Span(round((stop_s - 3) * RATE), round(stop_s * RATE))
    recorder.on_prediction(Prediction(span, np.array(scores, np.float32), ClipContext(span, -20.0)))


def test_an_excerpt_is_the_audio_between_two_seconds() -> None:
    recorder = Recorder("kitchen", LABELS, RATE)
    heard(recorder, 0, 10)
    excerpt = recorder.excerpt(2.005, 4.5)
    assert excerpt is not None
    assert excerpt.span == Span(32_080, 72_000)
    np.testing.assert_array_equal(excerpt.pcm, (np.arange(32_080, 72_000) % 30_000 + 1).astype(np.int16))


def test_only_the_last_of_the_stream_is_kept() -> None:
    recorder = Recorder("kitchen", LABELS, RATE, kept_s=5)
    heard(recorder, 0, 20)
    assert recorder.excerpt(1, 14) is None
    excerpt = recorder.excerpt(14, 18)
    assert excerpt is not None
    assert excerpt.span == Span(15 * RATE, 18 * RATE)


def test_a_gap_is_silence_in_its_place() -> None:
    recorder = Recorder("kitchen", LABELS, RATE)
    heard(recorder, 0, 1)
    heard(recorder, 2, 3)
    excerpt = recorder.excerpt(0, 3)
    assert excerpt is not None
    assert len(excerpt.pcm) == 3 * RATE
    assert not excerpt.pcm[RATE : 2 * RATE].any()
    assert excerpt.pcm[:RATE].all()
    assert excerpt.pcm[2 * RATE :].all()


def test_speech_is_the_highest_of_the_voices_in_what_touches_the_stretch() -> None:
    recorder = Recorder("kitchen", LABELS, RATE)
    heard(recorder, 0, 30)
    predicted(recorder, 5, 0.99, 0.1, 0.3)
    predicted(recorder, 12, 0.99, 0.7, 0.0)

    def speech(start_s: float, stop_s: float, around_s: float = 0.0) -> float:
        excerpt = recorder.excerpt(start_s, stop_s, around_s)
        assert excerpt is not None
        return excerpt.speech

    assert speech(3, 4) == pytest.approx(0.3)
    assert speech(6, 8) == 0.0
    assert speech(6, 8, 1.5) == pytest.approx(0.7)
    assert speech(13, 15) == 0.0
    assert speech(13, 15, 3) == pytest.approx(0.7)


def test_a_block_longer_than_what_is_kept_is_cut() -> None:
    recorder = Recorder("kitchen", LABELS, RATE, kept_s=5)
    recorder.on_frames(frames(0, *[-60.0] * 500), np.ones(500, np.bool_))
    excerpt = recorder.excerpt(0, 10)
    assert excerpt is not None
    assert excerpt.span == Span(5 * RATE, 10 * RATE)
    np.testing.assert_array_equal(excerpt.pcm, (np.arange(5 * RATE, 10 * RATE) % 30_000 + 1).astype(np.int16))


def test_a_model_without_speech_is_known_for_it() -> None:
    assert not Recorder("kitchen", ("dog_bark", "children_playing"), RATE).knows_speech
    assert Recorder("kitchen", ("dog_bark", "speech"), RATE).knows_speech


def test_one_thread_may_ask_while_another_fills() -> None:
    recorder = Recorder("kitchen", LABELS, RATE, kept_s=2)
    filling = threading.Thread(target=heard, args=(recorder, 0, 120))
    filling.start()
    asked = 0
    while filling.is_alive() or not asked:
        position_s = recorder.position_s
        excerpt = recorder.excerpt(position_s - 1, position_s)
        if excerpt is not None:
            expected = (np.arange(excerpt.span.start, excerpt.span.stop) % 30_000 + 1).astype(np.int16)
            np.testing.assert_array_equal(excerpt.pcm, expected)
            asked += 1
    filling.join()


class RecordingSink(FakeSink):
    """A sink that may want audio."""

    wants_audio = False

    def __init__(self, *, wants_audio: bool) -> None:
        super().__init__()
        self.wants_audio = wants_audio
        self.recorders: list[Recorder] = []

    def add_recorder(self, recorder: Recorder) -> None:
        assert not self.calls  # it is not open yet
        self.recorders.append(recorder)


def run(sink: RecordingSink, bundle: Bundle, audio: "np.ndarray") -> Stream:
    config = configuration.load(None)
    daemon = Daemon()
    source = FakeSource(blocks(audio))
    loop = build_pipeline(config, bundle, FakeClassifier(3), source.name)
    stream = Stream(source, loop, daemon.publish, daemon.ended)
    daemon.run([stream], [SinkBinding("sink", sink)])
    return stream


def test_the_daemon_gives_a_sink_that_wants_audio_a_recorder_of_each_source(tiny: Bundle) -> None:
    sink, audio = RecordingSink(wants_audio=True), pcm(noise(4, -20))
    run(sink, tiny, audio)
    (recorder,) = sink.recorders
    excerpt = recorder.excerpt(1, 3)
    assert recorder.source == "fake"
    assert excerpt is not None
    np.testing.assert_array_equal(excerpt.pcm, audio[RATE : 3 * RATE])
    assert [event.phase for event in sink.events][:1] == ["start"]


def test_and_records_nothing_for_one_that_does_not(tiny: Bundle) -> None:
    sink = RecordingSink(wants_audio=False)
    stream = run(sink, tiny, pcm(noise(4, -20)))
    assert sink.recorders == []
    assert not any(isinstance(observer, Recorder) for observer in stream._pipeline.observers)


def test_predictions_are_kept_ten_seconds_longer_than_audio() -> None:
    recorder = Recorder("kitchen", LABELS, RATE, kept_s=5)
    predicted(recorder, 1, 0.0, 0.9, 0.0)
    heard(recorder, 0, 15.98)
    excerpt = recorder.excerpt(11, 12, around_s=10.5)
    assert excerpt is not None
    assert excerpt.speech == pytest.approx(0.9)
    heard(recorder, 15.98, 16)
    excerpt = recorder.excerpt(11, 12, around_s=10.5)
    assert excerpt is not None
    assert excerpt.speech == 0.0


def test_an_excerpt_of_a_stretch_that_only_touches_what_is_kept_is_none() -> None:
    recorder = Recorder("kitchen", LABELS, RATE)
    heard(recorder, 2, 4)
    assert recorder.excerpt(1, 2) is None
    assert recorder.excerpt(4, 5) is None
    assert recorder.excerpt(3.98, 5) is not None


def test_a_prediction_that_only_touches_an_excerpt_says_nothing_of_it() -> None:
    recorder = Recorder("kitchen", LABELS, RATE)
    heard(recorder, 0, 10)
    predicted(recorder, 5, 0.0, 0.9, 0.0)  # from 2 to 5 s
    speech = [
        excerpt.speech
        for begin, end in ((1, 2), (5, 6), (4.99, 6), (1, 2.01))
        if (excerpt := recorder.excerpt(begin, end))
    ]
    assert speech == pytest.approx([0.0, 0.0, 0.9, 0.9])
