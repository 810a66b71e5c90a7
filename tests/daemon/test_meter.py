"""The meter: what displays and status messages say of a running pipeline."""

import time

import numpy as np
import pytest

from listener import config as configuration
from listener.daemon import meter as meters
from listener.daemon.build import build_pipeline
from listener.daemon.meter import Meter
from listener.pipeline.bundle import Bundle
from listener.pipeline.values import Clip, ClipContext, Prediction, Span
from tests.fakes import FRAME, SPEC, FakeClassifier, frames

CLIP = Clip(Span(0, SPEC.clip_samples), np.zeros(SPEC.clip_samples, np.float32), ClipContext(Span(0, 0), -30.0))


@pytest.fixture
def meter(tiny: Bundle) -> Meter:
    loop = build_pipeline(configuration.load(None), tiny, FakeClassifier(3), "kitchen")
    return Meter("kitchen", loop)


def hear(meter: Meter, start: int, *levels_dbfs: float) -> None:
    meter.on_frames(frames(start, *levels_dbfs), np.zeros(len(levels_dbfs), np.bool_))


def predict(meter: Meter, stop: int) -> None:
    meter.on_prediction(Prediction(Span(0, stop), np.array([0.9, 0.1, 0.0], np.float32), CLIP.context))


def test_the_level_is_that_of_the_latest_frame_and_the_peak_that_of_the_loudest_since_it_was_taken(
    meter: Meter,
) -> None:
    hear(meter, 0, -20.0, -50.0)
    hear(meter, 2 * FRAME, -40.0)
    assert meter.level().level_dbfs == -40.0
    assert (meter.take_peak(), meter.take_peak()) == (-20.0, -100.0)
    assert meter.level().at_s == 0.06


def test_scores_are_shown_for_three_seconds_of_audio(meter: Meter) -> None:
    hear(meter, 0, -20.0)
    predict(meter, FRAME)
    hear(meter, 3 * SPEC.sample_rate - FRAME, -20.0)
    assert meter.level().top == {"hiss": 0.9, "hum": 0.1, "nothing": 0.0}
    hear(meter, 3 * SPEC.sample_rate, -20.0)
    assert meter.level().top == {}


def test_without_audio_for_three_seconds_level_and_scores_are_gone(meter: Meter) -> None:
    hear(meter, 0, -20.0)
    predict(meter, FRAME)
    meter.updated_at = time.monotonic() - meters.TOP_FADES_S - 0.1
    assert (meter.level().level_dbfs, meter.level().top) == (-100.0, {})
    meter.updated_at = time.monotonic() - meters.TOP_FADES_S + 2
    assert meter.level().level_dbfs == -20.0


def test_clips_are_counted_by_how_long_they_took(meter: Meter) -> None:
    meter.on_clip(CLIP)
    predict(meter, FRAME)
    meter.on_clip(CLIP)
    time.sleep(0.012)
    predict(meter, FRAME)
    counts = list(meter.took_at_most().values())
    assert (counts[0], counts[3], counts[-1]) == (1, 1, 2)  # at most 1 ms, 10 ms, any time
    assert counts == sorted(counts)
    assert (meter.clips, meter.busy_s >= 0.012, meter.busy_s < 1) == (2, True, True)


def test_one_that_took_longer_than_any_bound_is_counted_as_well(meter: Meter) -> None:
    meter._began = time.perf_counter() - 5
    predict(meter, FRAME)
    assert list(meter.took_at_most().values()) == [0] * len(meters.TOOK_MS) + [1]


def test_the_floor_is_the_gates_and_the_duty_the_clippers(meter: Meter, tiny: Bundle) -> None:
    assert meter.level().floor_dbfs == -100.0
    assert (meter.gate_duty, meter.level().open) == (0.0, False)
    loop = build_pipeline(configuration.load(None, ["gate.kind=open"]), tiny, FakeClassifier(3), "kitchen")
    opened = Meter("kitchen", loop)
    list(loop.events([frames(0, *[-60.0] * 20)]))
    assert opened.level().floor_dbfs is None
    assert (opened.gate_duty, opened.heard_s) == (1.0, 0.4)
