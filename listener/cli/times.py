"""Durations and times as users write them, and as every command prints them."""

import re
import time
from datetime import date, datetime, timedelta

from listener.errors import ConfigError

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration_s(text: str) -> float:
    """The seconds of a duration such as 45s, 30m or 1h30m.

    Raises:
        ConfigError: The text is no duration.
    """
    if not re.fullmatch(r"(\d{1,9}(\.\d{1,9})?[smhd])+", text):
        raise ConfigError(
            f"{text!r} is not a duration", code="cli-duration", remedy="Write it as 45s, 30m, 2h, 1h30m or 3d."
        )
    return sum(float(number) * UNITS_S[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd])", text))


def unix_time(text: str, now: float) -> float:
    """The Unix time that a user means: a duration ago, a day, or an ISO 8601 time; local without a zone.

    Raises:
        ConfigError: The text is no time.
    """
    words = text.strip().lower().removesuffix("ago").strip().removeprefix("-")
    days = {"today": 0, "yesterday": 1}
    try:
        if words in days:
            return _midnight(datetime.fromtimestamp(now).date() - timedelta(days[words]))
        if words[-1:] in UNITS_S:
            return now - duration_s(words)
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ConfigError, ValueError, OverflowError, OSError) as err:
        raise ConfigError(
            f"{text!r} is not a time",
            code="cli-time",
            remedy="Write it as 2h, 3d, today, yesterday, 2026-05-01 or 2026-05-01T18:30.",
        ) from err


def local(unix_s: float) -> str:
    """A time in the local zone, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_s))


def local_of(timestamp: str) -> str:
    """The same, of an ISO 8601 timestamp."""
    return local(datetime.fromisoformat(timestamp).timestamp())


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day).timestamp()
