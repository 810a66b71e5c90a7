"""Front ends agree with other people's, and none of them looks ahead or beyond its column where it should not."""

from typing import Literal, get_args

import librosa
import numpy as np
import pytest
import torch
from scipy import fft  # type: ignore[import-untyped]
from scipy.linalg import solve_toeplitz  # type: ignore[import-untyped]

from listener.pipeline.features import FeatureSpec, LogMel
from listener.pipeline.values import Floats
from models.data.frontend import mel_filters
from models.network.front_ends import (
    Mfcc,
    ModulationSpectrum,
    Pcen,
    Plp,
    centres_hz,
    equal_loudness,
    front_ends,
    levinson,
)
from models.training.recipe import FrontEnd

SPEC = FeatureSpec()


@pytest.fixture(scope="module")
def mels() -> Floats:
    """Chirps in noise of several levels, and digital silence: (4, mels, columns)."""
    rng, log_mel = np.random.default_rng(0), LogMel(SPEC, mel_filters(SPEC))
    chirp = librosa.chirp(fmin=100, fmax=7000, sr=SPEC.sample_rate, length=SPEC.clip_samples)
    noise = rng.standard_normal(SPEC.clip_samples)
    clips = [0.5 * chirp + 0.01 * noise, 1e-4 * noise, 0.003 * chirp, 0 * noise]
    return np.stack([log_mel.columns(clip.astype(np.float32)) for clip in clips])


def power(mels: Floats) -> np.ndarray:
    exact: np.ndarray = 10 ** ((mels.astype(np.float64) * SPEC.scale_db + SPEC.mean_db) / 10)
    return exact


@pytest.mark.parametrize("kind", get_args(FrontEnd))
def test_every_kind_keeps_the_shape_and_is_finite_for_silence_too(kind: FrontEnd, mels: Floats) -> None:
    for front_end in front_ends(kind, SPEC):
        described = front_end(torch.from_numpy(mels))
        assert described.shape == mels.shape
        assert torch.isfinite(described).all()


@pytest.mark.parametrize("kind", get_args(FrontEnd))
def test_a_front_end_adds_nothing_to_a_checkpoint(kind: FrontEnd) -> None:
    assert not front_ends(kind, SPEC).state_dict()


def test_mfcc_is_scipys_dct_but_for_its_scale(mels: Floats) -> None:
    expected = fft.dct(mels.astype(np.float64), axis=1, norm="ortho")
    ours = Mfcc(SPEC.mels)(torch.from_numpy(mels)).numpy()
    np.testing.assert_allclose(ours * 5.5 / np.arange(1, 65)[:, None], expected, atol=1e-4)


def test_pcen_is_librosas_with_the_mean_of_one_who_had_heard_the_first_column_before(mels: Floats) -> None:
    amplitude = Pcen.FULL_SCALE * np.sqrt(power(mels))
    forget = (np.sqrt(1 + 4 * 40.0**2) - 1) / (2 * 40.0**2)
    expected = librosa.pcen(amplitude, sr=SPEC.sample_rate, hop_length=SPEC.hop, zi=(1 - forget) * amplitude[..., :1])
    ours = Pcen(SPEC)(torch.from_numpy(mels)).numpy() * Pcen.DEVIATION + Pcen.MEAN
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def test_pcen_hears_nothing_of_the_future(mels: Floats) -> None:
    later = mels.copy()
    later[:, :, 200:] += 1
    before, after = (Pcen(SPEC)(torch.from_numpy(clips))[:, :, :200] for clips in (mels, later))
    torch.testing.assert_close(after, before)


def test_plp_is_hermanskys_column_by_column(mels: Floats) -> None:
    ours = Plp(SPEC)(torch.from_numpy(mels)).numpy() * Plp.DEVIATION + Plp.MEAN
    for clip, column in ((0, 10), (0, 200), (1, 5), (2, 150), (3, 0)):
        np.testing.assert_allclose(ours[clip, :, column], _plp(power(mels)[clip, :, column]), atol=2e-3)


@pytest.mark.parametrize("rate", [3, 8, 12])
def test_a_level_that_swings_is_found_at_its_rate_and_in_its_band(rate: int) -> None:
    mels = np.zeros((1, SPEC.mels, SPEC.columns), np.float32)
    mels[:, 20:24] = 0.3 * np.sin(2 * np.pi * rate / ModulationSpectrum.WINDOW * np.arange(SPEC.columns))
    found = ModulationSpectrum()(torch.from_numpy(mels))[0].mean(dim=2)
    assert np.unravel_index(int(found.argmax()), found.shape) == (rate - 1, 5)


def test_modulations_are_scipys_of_the_windows_around_each_frame(mels: Floats) -> None:
    ours = ModulationSpectrum()(torch.from_numpy(mels)).double().numpy()
    power = np.exp(ours * ModulationSpectrum.DEVIATION + ModulationSpectrum.MEAN) - ModulationSpectrum.FLOOR
    bands = mels.astype(np.float64).reshape(len(mels), 16, 4, -1).mean(axis=2)
    hann = np.sin(np.pi * (np.arange(32) + 0.5) / 32) ** 2
    # not of the slowest and the fastest rate, where the mean and the mirror reach into the window's lobe
    for frame in (2, 10, 35):
        expected = np.abs(fft.rfft(bands[..., 8 * frame - 16 : 8 * frame + 16] * hann)[..., 2:15]) ** 2
        found = np.moveaxis(power[:, 1:14, :, frame], 1, 2) * (hann**2).sum() / 2
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-4)


def test_no_level_and_no_steady_sound_modulates() -> None:
    steady = torch.linspace(-2, 2, SPEC.mels).view(1, -1, 1).expand(1, SPEC.mels, SPEC.columns)
    least = (np.log(ModulationSpectrum.FLOOR) - ModulationSpectrum.MEAN) / ModulationSpectrum.DEVIATION
    torch.testing.assert_close(ModulationSpectrum()(steady), torch.full((1, 15, 16, 38), float(least)))


def test_levinson_solves_the_normal_equations() -> None:
    spectra = np.random.default_rng(1).gamma(0.5, size=(64, 20))
    autocorrelation = np.cos(np.pi * np.outer(np.arange(13), np.arange(64) + 0.5) / 64) @ spectra
    predictor, error = levinson(torch.from_numpy(autocorrelation).unsqueeze(0), floor=0.0)
    for column, r in enumerate(autocorrelation.T):
        expected = solve_toeplitz(r[:-1], -r[1:])
        np.testing.assert_allclose(predictor[0, 1:, column], expected, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(error[0, column], r[0] + expected @ r[1:], rtol=1e-8)


def test_the_ear_is_most_sensitive_between_two_and_five_kilohertz() -> None:
    weight = equal_loudness(torch.tensor([50.0, 500.0, 3000.0, 7900.0]))
    assert weight.argmax() == 2


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_centres_are_where_librosas_filters_have_their_peaks(scale: Literal["slaney", "htk"]) -> None:
    spec = FeatureSpec(mel_scale=scale)
    edges = librosa.mel_frequencies(spec.mels + 2, fmin=spec.f_min_hz, fmax=spec.f_max_hz, htk=scale == "htk")
    np.testing.assert_allclose(centres_hz(spec), edges[1:-1], rtol=1e-4)


def _plp(powers: np.ndarray) -> np.ndarray:
    """log10 of the all-pole spectrum of one column of mel powers, in float64 and by a general solver."""
    loudness = np.cbrt(powers * equal_loudness(centres_hz(SPEC)).double().numpy())
    angles = np.pi * (np.arange(64) + 0.5) / 64
    r = np.array([(loudness * np.cos(k * angles)).mean() for k in range(13)])
    r[0] *= 1 + 1e-5
    a = np.r_[1, solve_toeplitz(r[:-1], -r[1:])]
    response = np.array([(a * np.exp(-1j * angle * np.arange(13))).sum() for angle in angles])
    spectrum: np.ndarray = np.log10((a @ r) / np.abs(response) ** 2)
    return spectrum
