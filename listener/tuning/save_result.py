"""What came of a user's wish to keep the thresholds that were changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from listener.base.text import plain
from listener.messages import Hello

Settings = Mapping[str, Mapping[str, float]]  # label -> key -> value, as in [labels.NAME]


@dataclass(frozen=True, slots=True)
class SaveResult:
    """Where they are now; or, without a path, what to write, and why it was not written."""

    settings: Settings
    path: Path | None = None
    backup: Path | None = None  # the file as it was
    why: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)  # reported label -> on, as it was wished

    @property
    def lines(self) -> list[str]:
        """The settings as TOML."""
        return [line for label, section in self.settings.items() for line in _section(label, section)]


Keep = Callable[[Hello, Mapping[str, float]], SaveResult]  # of a daemon's greeting, and label -> on, by reported names


def nowhere(_hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    """They are for the user to write."""
    return SaveResult(as_reported(thresholds), why="nothing can be written from here")


def as_reported(thresholds: Mapping[str, float]) -> Settings:
    """The settings as far as a display knows them: under the names that are reported."""
    return {label: {"on": on} for label, on in thresholds.items()}


def _section(label: str, section: Mapping[str, float]) -> list[str]:
    return [f"[labels.{_key(label)}]", *(f"{key} = {value:g}" for key, value in section.items())]


def _key(label: str) -> str:
    """A label as a key of TOML."""
    return label if label.replace("_", "a").replace("-", "a").isalnum() and label.isascii() else f'"{plain(label)}"'
