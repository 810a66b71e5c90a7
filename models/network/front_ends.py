"""Other descriptions of a clip than the log-mel, made from it, so that one pool serves to compare them.

Each module takes the normalised log-mel, float32 (batch, mels, columns), and gives as many rows and columns, of
about unit deviation over a pool's clips; the modulation spectrum alone has a shape of its own. Nothing is learned in
them. A network may be shown several, one a channel.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from listener.pipeline.features import FeatureSpec
from models.training.recipe import FrontEnd

SPREAD = 5.5  # deviation of the first cepstral coefficient over a pool; that of the k-th is SPREAD / k


def front_ends(kind: FrontEnd, spec: FeatureSpec) -> nn.ModuleList:
    """The modules that describe a normalised log-mel to a network, one for each of its channels."""
    if kind == "mfcc":
        return nn.ModuleList([Mfcc(spec.mels)])
    if kind == "plp":
        return nn.ModuleList([Plp(spec)])
    if kind == "pcen":
        return nn.ModuleList([Pcen(spec)])
    return nn.ModuleList([nn.Identity(), Pcen(spec)] if kind == "log-mel and pcen" else [nn.Identity()])


class Mfcc(nn.Module):
    """All cepstral coefficients of each column: the orthonormal DCT-II over the mels, liftered to unit deviation."""

    def __init__(self, mels: int) -> None:
        super().__init__()
        scale = torch.full((mels, 1), math.sqrt(2 / mels))
        scale[0] = math.sqrt(1 / mels)
        lifter = torch.arange(1, mels + 1).unsqueeze(1) / SPREAD
        self.transform: Tensor
        self.register_buffer("transform", lifter * scale * _cosines(mels, mels), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        with torch.autocast(mel.device.type, enabled=False):
            return self.transform @ mel.float()


class Pcen(nn.Module):
    """Per-channel energy normalisation: each row over its own recent mean, then the square root (Wang et al. 2017).

    librosa's constants: amplitudes as of 32-bit samples, a time constant of 0.4 s. The mean starts at the clip's
    first column, as if what was heard there had always been.
    """

    GAIN, BIAS, EPSILON = 0.98, 2.0, 1e-6
    TIME_S = 0.4
    FULL_SCALE = 2.0**31
    MEAN, DEVIATION = 0.43, 0.33  # over a pool

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self._mean_db, self._scale_db = spec.mean_db, spec.scale_db
        columns = self.TIME_S * spec.sample_rate / spec.hop
        forget = (math.sqrt(1 + 4 * columns**2) - 1) / (2 * columns**2)
        self.smoother: Tensor
        self.register_buffer("smoother", _smoother(spec.columns, forget), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        with torch.autocast(mel.device.type, enabled=False):
            amplitude = self.FULL_SCALE * _from_db(self._scale_db * mel.float() + self._mean_db, 20)
            mean = amplitude @ self.smoother
            normalised = amplitude * torch.exp(-self.GAIN * torch.log(self.EPSILON + mean))
            compressed = torch.sqrt(normalised + self.BIAS) - math.sqrt(self.BIAS)
            return (compressed - self.MEAN) / self.DEVIATION


class Plp(nn.Module):
    """The smooth spectrum of perceptual linear prediction (Hermansky 1990), in log, on the rows of the log-mel.

    Mel powers weighted to equal loudness and put to the third power root; their autocorrelation by an inverse
    Fourier transform along the warped axis; an all-pole model of it; the model's spectrum at the filters' places.
    """

    ORDER = 12
    MEAN, DEVIATION = -2.0, 0.7  # over a pool

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self._scale_db = spec.scale_db
        cosines, sines = _cosines(self.ORDER + 1, spec.mels), _sines(self.ORDER + 1, spec.mels)
        weight_db = 10 * torch.log10(equal_loudness(centres_hz(spec)))
        self.loudness_db: Tensor
        self.inverse: Tensor
        self.waves: Tensor
        self.register_buffer("loudness_db", (weight_db + spec.mean_db).unsqueeze(1), persistent=False)
        self.register_buffer("inverse", cosines / spec.mels, persistent=False)
        self.register_buffer("waves", torch.stack([cosines.T, sines.T]), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        with torch.autocast(mel.device.type, enabled=False):
            loudness = _from_db(self._scale_db * mel.float() + self.loudness_db, 30)  # the cube root of power
            predictor, error = levinson(self.inverse @ loudness)
            real, imaginary = self.waves[0] @ predictor, self.waves[1] @ predictor
            log_spectrum = torch.log10(error.unsqueeze(1) / (real.square() + imaginary.square()))
            return (log_spectrum - self.MEAN) / self.DEVIATION


class ModulationSpectrum(nn.Module):
    """How deep the level of each of some bands swings, at each of some rates, around each frame of 80 ms.

    Of a normalised log-mel (batch, mels, columns), MELS of which make a band, the log of the power at RATES multiples
    of 3.125 Hz, in Hann windows of 0.32 s: (batch, RATES, bands, frames), of about unit deviation over a pool's clips.
    An idling engine, rotor blades and a jackhammer differ less by their spectrum than by how fast it pulses. After the
    modulation spectrogram (Greenberg and Kingsbury 1997), which has one rate of many.
    """

    MELS, RATES = 4, 15
    WINDOW, STEP = 32, 8  # columns
    FLOOR = 1e-3
    MEAN, DEVIATION = -4.6, 1.5  # over a pool

    def __init__(self) -> None:
        super().__init__()
        time = torch.arange(self.WINDOW).double()
        angles = 2 * math.pi / self.WINDOW * torch.outer(torch.arange(1, self.RATES + 1).double(), time)
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi / self.WINDOW * (time + 0.5))
        waves = torch.cat([angles.cos(), angles.sin()]) * hann
        waves -= waves.mean(dim=1, keepdim=True)  # what does not swing has no rate
        waves /= waves.norm(dim=1, keepdim=True)
        self.waves: Tensor
        self.register_buffer("waves", waves.float().view(-1, 1, 1, self.WINDOW), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        with torch.autocast(mel.device.type, enabled=False):
            bands = functional.avg_pool2d(mel.float().unsqueeze(1), (self.MELS, 1))
            around = functional.pad(bands, (self.WINDOW // 2, self.WINDOW // 2, 0, 0), mode="replicate")
            real, imaginary = functional.conv2d(around, self.waves, stride=(1, self.STEP)).chunk(2, dim=1)
            power = real.square() + imaginary.square()
            return (torch.log(power + self.FLOOR) - self.MEAN) / self.DEVIATION


def levinson(autocorrelation: Tensor, floor: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Predictors (batch, 1 + order, columns), their first being 1, and errors (batch, columns) of autocorrelations.

    Durbin's recursion, for all columns at once. `floor` is the share of white noise that is added, lest float32
    find an error of nothing.
    """
    error = autocorrelation[:, 0] * (1 + floor)
    predictor = torch.zeros_like(autocorrelation)
    predictor[:, 0] = 1
    for order in range(1, autocorrelation.shape[1]):
        lagged = autocorrelation[:, 1 : order + 1].flip(1)
        reflection = -(predictor[:, :order] * lagged).sum(1) / error
        predictor[:, 1 : order + 1] += reflection.unsqueeze(1) * predictor[:, :order].flip(1)
        error = error * (1 - reflection.square())
    return predictor, error


def equal_loudness(frequency_hz: Tensor) -> Tensor:
    """The ear's sensitivity to power at about 40 dB, to 8 kHz and over (Hermansky 1990, equations 7 and 8)."""
    square = (2 * math.pi * frequency_hz.double()) ** 2
    low = (square + 56.8e6) * square**2 / ((square + 6.3e6) ** 2 * (square + 0.38e9))
    weight = low / (square**3 + 9.58e26)
    return (weight / weight.max()).float()


def centres_hz(spec: FeatureSpec) -> Tensor:
    """Where the mel filters have their peaks: float32 (mels,)."""
    return edges_hz(spec)[1:-1]


def edges_hz(spec: FeatureSpec) -> Tensor:
    """Where the mel filters begin, have their peaks, and end, each where its neighbour peaks: float32 (mels + 2,)."""
    low, high = _mel(spec.mel_scale, spec.f_min_hz), _mel(spec.mel_scale, spec.f_max_hz)
    return _hz(spec.mel_scale, torch.linspace(low, high, spec.mels + 2))


def _from_db(level_db: Tensor, tenfold_db: float) -> Tensor:
    """Numbers that are ten times as large for so many dB more. torch is slower at 10 ** x."""
    return torch.exp(level_db * (math.log(10) / tenfold_db))


def _cosines(waves: int, places: int) -> Tensor:
    """Waves of 0, 1, 2 … half periods at the middles of so many places, float32 (waves, places): those of a DCT-II."""
    return torch.cos(_angles(waves, places)).float()


def _sines(waves: int, places: int) -> Tensor:
    return torch.sin(_angles(waves, places)).float()


def _angles(waves: int, places: int) -> Tensor:
    return math.pi * torch.outer(torch.arange(waves).double(), torch.arange(places).double() + 0.5) / places


def _smoother(columns: int, forget: float) -> Tensor:
    """The matrix (columns, columns) that makes of each row its running mean: (1 - forget) * mean + forget * new.

    One product is faster than three hundred steps, and is one node of an exported graph.
    """
    age = torch.arange(columns).double() - torch.arange(columns).double().unsqueeze(1)  # of a column, seen from another
    share = forget * (1 - forget) ** age.clamp(min=0) * (age >= 0)
    share[0] = (1 - forget) ** torch.arange(columns).double()
    return share.float()


def _mel(scale: str, hz: float) -> float:
    """Mels of a frequency, as librosa's: Slaney's are linear to 1 kHz, then logarithmic; HTK's are O'Shaughnessy's."""
    if scale == "htk":
        return 2595 * math.log10(1 + hz / 700)
    return hz / (200 / 3) if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def _hz(scale: str, mel: Tensor) -> Tensor:
    if scale == "htk":
        return 700 * (torch.exp(mel * (math.log(10) / 2595)) - 1)
    return torch.where(mel < 15, mel * (200 / 3), 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))
