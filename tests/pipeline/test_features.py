"""The front end is librosa's log-mel, computed once a column."""

import librosa
import numpy as np
import pytest

from listener.pipeline import bundle
from listener.pipeline.features import FeatureSpec, LogMel, whole
from listener.pipeline.values import SILENT_DBFS, Clip, ClipContext, Floats, Span
from models.data.frontend import mel_filters
from tests.conftest import shared_recording
from tests.fakes import noise

SPEC = FeatureSpec(window=512, power=2, log_floor=1e-9, mean_db=-40.0)


def librosa_filters(spec: FeatureSpec) -> Floats:
    return librosa.filters.mel(
        sr=spec.sample_rate, n_fft=spec.fft, n_mels=spec.mels, fmin=spec.f_min_hz, fmax=spec.f_max_hz, htk=True
    )


@pytest.fixture(scope="module")
def filters() -> Floats:
    return librosa_filters(SPEC)


def chirp() -> Floats:
    seconds = np.arange(SPEC.clip_samples) / SPEC.sample_rate
    return (0.5 * np.sin(2 * np.pi * (100 + 1_200 * seconds) * seconds)).astype(np.float32)


def by_librosa(samples: Floats) -> Floats:
    """log10 of the mel power, floored."""
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=SPEC.sample_rate,
        n_fft=SPEC.fft,
        hop_length=SPEC.hop,
        n_mels=SPEC.mels,
        fmin=SPEC.f_min_hz,
        fmax=SPEC.f_max_hz,
        htk=True,
        center=False,
    )
    return np.log10(np.maximum(power, SPEC.log_floor))


def check_against_librosa(samples: Floats, filters: Floats) -> None:
    log10_power = (LogMel(SPEC, filters).columns(samples) * SPEC.scale_db + SPEC.mean_db) / 10
    expected = by_librosa(samples)
    # Our spectra are 32-bit floats, whose rounding is seen 90 dB under the loudest mel of the same column.
    near = expected > expected.max(axis=0) - 9
    np.testing.assert_allclose(log10_power[near], expected[near], atol=1e-4)
    np.testing.assert_allclose(log10_power, expected, atol=2e-3)


@pytest.mark.parametrize(
    "samples", [chirp(), noise(3, -20), np.zeros(48_000, np.float32)], ids=["chirp", "noise", "silence"]
)
def test_it_agrees_with_librosa(samples: Floats, filters: Floats) -> None:
    check_against_librosa(samples, filters)


@pytest.mark.parametrize("name", ["default", "city"])
def test_the_shipped_filters_are_yamnets(name: str) -> None:
    shipped = bundle.load(bundle.ASSETS / name)
    np.testing.assert_array_equal(shipped.filters, mel_filters(shipped.features))


def test_magnitudes_of_a_window_shorter_than_the_transform_agree_with_librosa(filters: Floats) -> None:
    spec, samples = FeatureSpec(), noise(3, -20)
    padded = np.pad(samples, ((spec.fft - spec.window) // 2,) * 2)  # librosa centres a short window in its frame
    magnitude = np.abs(librosa.stft(padded, n_fft=spec.fft, hop_length=spec.hop, win_length=spec.window, center=False))
    expected = (20 * np.log10(filters @ magnitude) - spec.mean_db) / spec.scale_db
    np.testing.assert_allclose(LogMel(spec, filters).columns(samples), expected[:, : spec.columns], atol=1e-4)


def test_it_agrees_with_librosa_on_a_real_clip(filters: Floats) -> None:
    check_against_librosa(shared_recording("dog_bark", SPEC.sample_rate)[: SPEC.clip_samples], filters)


def test_a_clip_is_as_many_columns_as_the_spec_says(filters: Floats) -> None:
    assert LogMel(SPEC, filters)(whole(chirp())).mel.shape == (64, 297)


def clip_at(stream: Floats, stop: int) -> Clip:
    start = max(0, stop - SPEC.clip_samples)
    samples = np.zeros(SPEC.clip_samples, np.float32)
    samples[SPEC.clip_samples - (stop - start) :] = stream[start:stop]
    span = Span(start, stop)
    return Clip(span, samples, ClipContext(span, SILENT_DBFS))


@pytest.mark.parametrize(
    "stops", [(48_000, 56_000, 64_000), (8_000, 30_000, 48_000, 56_000), (48_000, 56_100), (48_000, 120_000)]
)
def test_columns_kept_from_the_last_clip_are_those_of_a_fresh_one(stops: tuple[int, ...], filters: Floats) -> None:
    stream, kept = noise(8, -20), LogMel(SPEC, filters)
    for stop in stops:
        fresh = LogMel(SPEC, filters)(clip_at(stream, stop))
        np.testing.assert_allclose(kept(clip_at(stream, stop)).mel, fresh.mel, atol=1e-5)


def test_a_filter_bank_of_another_spec_is_refused(filters: Floats) -> None:
    with pytest.raises(ValueError, match="FeatureSpec asks for"):
        LogMel(FeatureSpec(mels=40), filters)
