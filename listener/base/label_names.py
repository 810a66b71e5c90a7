"""Labels as people type them: `dog`, `Smoke alarm` and `smoke-alarm` as well as `dog_bark` and `smoke_alarm`."""

import difflib
from collections.abc import Iterable, Sequence

from listener.errors import ConfigError

# Each word is understood as the first of its labels that the model has.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "alarm_bell": ("smoke_alarm", "alarm"),
    "baby": ("baby_cry",),
    "bark": ("dog_bark",),
    "bell": ("doorbell", "church_bells"),
    "bird": ("chirping_birds", "birds"),
    "carbon_monoxide": ("co_alarm",),
    "carbon_monoxide_alarm": ("co_alarm",),
    "cat": ("cat_meow", "cat"),
    "coughing": ("cough",),
    "crying": ("baby_cry",),
    "crying_baby": ("baby_cry",),
    "dog": ("dog_bark", "dog"),
    "fire_alarm": ("smoke_alarm", "alarm"),
    "glass": ("glass_break",),
    "gunshot": ("gun_shot",),
    "hoover": ("vacuum_cleaner",),
    "horn": ("car_horn",),
    "knock": ("door_knock",),
    "knocking": ("door_knock",),
    "laugh": ("laughter", "laughing"),
    "meow": ("cat_meow", "cat"),
    "people": ("speech",),
    "phone": ("telephone_ring",),
    "phone_ring": ("telephone_ring",),
    "ring": ("telephone_ring", "doorbell"),
    "shot": ("gun_shot",),
    "smoke": ("smoke_alarm",),
    "smoke_detector": ("smoke_alarm",),
    "sneezing": ("sneeze",),
    "snore": ("snoring",),
    "steps": ("footsteps",),
    "talking": ("speech",),
    "telephone": ("telephone_ring",),
    "thunderstorm": ("thunder", "thunderstorm"),
    "toilet": ("toilet_flush",),
    "vacuum": ("vacuum_cleaner",),
    "voice": ("speech",),
    "washer": ("washing_machine",),
}


def resolve_label(name: str, known: Sequence[str]) -> str:
    """Return the label or other name that a person means by `name`.

    Args:
        name: What was typed: the name itself, in another case or with spaces or hyphens, in the plural, or a synonym.
        known: The names that are valid here.

    Raises:
        ConfigError: No name is meant; the remedy suggests one (`label-unknown`).
    """
    found = _resolved(name, known)
    if found is None:
        raise ConfigError(f"there is no label or group {name!r}", code="label-unknown", remedy=suggestion(name, known))
    return found


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the valid name that was probably meant, else all valid names."""
    names = sorted(set(valid))
    close = _resolved(name, names) or next(iter(difflib.get_close_matches(name, names, n=1)), None)
    if close:
        return f"Did you mean {close!r}?"
    return f"Valid names: {', '.join(names)}." if names else ""


def _resolved(name: str, known: Sequence[str]) -> str | None:
    if name in known:
        return name
    plain = {_plain(each): each for each in known}
    for form in (_plain(name), _plain(name).removesuffix("s")):
        meanings = (form, *SYNONYMS.get(form, ()))
        if found := next((plain[meaning] for meaning in meanings if meaning in plain), None):
            return found
    return None


def _plain(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())
