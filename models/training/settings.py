"""Numbers of a recipe as words of a command line, both ways: `steps=500`, `shape.hidden=64`."""

import shlex
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import msgspec

from models.data.pool import DATA
from models.data.recordings import DataError
from models.training.recipe import Recipe


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with some settings. DataError names a wrong one."""
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            recipe = _with(recipe, name.split("."), text)
        except (ValueError, msgspec.ValidationError) as err:
            raise DataError(f"--set {setting}: {err}", code="train-setting", remedy="Correct it.") from err
    return recipe


def training_command(recipe: Recipe, out: Path | None = None, data: Sequence[Path] = ()) -> str:
    """The command that trains a recipe, with everything that is not the default."""
    words = ["python", "-m", "models.train", *(["--out", str(out)] if out else [])]
    if list(data) != [DATA]:
        words += [word for folder in data for word in ("--data", str(folder))]
    words += [word for setting in changed(recipe, Recipe()) for word in ("--set", setting)]
    return shlex.join(words)


def resuming_command(out: Path, device: str) -> str:
    """The command that continues a training; everything else is in its checkpoint."""
    return shlex.join(["python", "-m", "models.train", "--out", str(out), "--resume", "--device", device])


def changed(part: Any, usual: Any, prefix: str = "") -> list[str]:
    """The settings in which a recipe, or a part of one, differs from another."""
    found = []
    for name in (item.name for item in fields(part)):
        value, default = getattr(part, name), getattr(usual, name)
        if is_dataclass(value):
            found += changed(value, default, f"{prefix}{name}.")
        elif value != default:
            plain = ",".join(map(str, value)) if isinstance(value, tuple) else value
            found.append(f"{prefix}{name}={plain}")
    return found


def _with(part: Any, names: list[str], text: str) -> Any:
    kinds = get_type_hints(type(part))
    if names[0] not in kinds:
        raise ValueError(f"a recipe has no {names[0]}; see models/training/recipe.py")
    name, kind = names[0], kinds[names[0]]
    if is_dataclass(kind) != bool(names[1:]):
        raise ValueError(f"{name} has parts; name one" if is_dataclass(kind) else f"{name} has no parts")
    if names[1:]:
        return replace(part, **{name: _with(getattr(part, name), names[1:], text)})
    words = [word for word in text.split(",") if word] if get_origin(kind) is tuple else text
    return replace(part, **{name: msgspec.convert(words, kind, strict=False)})
