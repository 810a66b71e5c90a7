"""The colours of the spectrogram.

They are computed in Oklab (Björn Ottosson, 2020), where equal steps look equal. The lightness rises evenly while the
hue turns from violet over red to yellow, so the picture is also readable in grey and with impaired colour vision.
"""

from functools import cache
from math import cos, radians, sin

SHADES = 24
DARKEST, LIGHTEST = 0.16, 0.96
STRONGEST = 0.15  # chroma in the middle; both ends are nearly grey
FIRST_HUE, LAST_HUE = 285.0, 465.0  # degrees: from violet over red to yellow


@cache
def warm() -> tuple[str, ...]:
    """The colours of a live picture, from dark to light, as `#rrggbb`."""
    return tuple(_colour(step / (SHADES - 1), STRONGEST) for step in range(SHADES))


@cache
def grey() -> tuple[str, ...]:
    """The colours of a picture of the past: without hue, and darker."""
    return tuple(_colour(0.6 * step / (SHADES - 1), 0.0) for step in range(SHADES))


def _colour(share: float, chroma: float) -> str:
    """The colour at a share of the range, as `#rrggbb`."""
    lightness = DARKEST + (LIGHTEST - DARKEST) * share
    hue = radians(FIRST_HUE + (LAST_HUE - FIRST_HUE) * share)
    strength = chroma * (4 * share * (1 - share)) ** 0.6 + (0.05 if chroma else 0.0)
    return _hexadecimal(_linear_srgb(lightness, strength * cos(hue), strength * sin(hue)))


def _linear_srgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Convert Oklab to linear sRGB (https://bottosson.github.io/posts/oklab)."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _hexadecimal(linear: tuple[float, float, float]) -> str:
    encoded = (12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in (max(v, 0.0) for v in linear))
    return "#" + "".join(f"{round(255 * min(x, 1.0)):02x}" for x in encoded)
