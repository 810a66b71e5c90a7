"""The result of saving thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from listener.base.text import plain
from listener.messages import Hello

Settings = Mapping[str, Mapping[str, float]]  # label -> key -> value, as in [labels.NAME]


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What was saved where; or, without a path, what the user should write, and why it was not written.

    Attributes:
        settings: What was or should be written.
        path: The file.
        backup: The file as it was before.
        why: Why nothing was written.
        thresholds: Label as it is reported -> threshold, as requested.
    """

    settings: Settings
    path: Path | None = None
    backup: Path | None = None
    why: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """The settings as lines of TOML."""
        return [line for label, section in self.settings.items() for line in _section(label, section)]


Keep = Callable[[Hello, Mapping[str, float]], SaveResult]  # of a daemon and label -> threshold


def nowhere(_hello: Hello, thresholds: Mapping[str, float]) -> SaveResult:
    """Save nothing: the user has to write the settings."""
    return SaveResult(as_reported(thresholds), why="nothing can be saved from here")


def as_reported(thresholds: Mapping[str, float]) -> Settings:
    """Return the settings under the names that are reported, which are all that a display knows."""
    return {label: {"on": on} for label, on in thresholds.items()}


def _section(label: str, section: Mapping[str, float]) -> list[str]:
    return [f"[labels.{_key(label)}]", *(f"{key} = {value:g}" for key, value in section.items())]


def _key(label: str) -> str:
    """Spell a label as a TOML key."""
    return label if label.replace("_", "a").replace("-", "a").isalnum() and label.isascii() else f'"{plain(label)}"'
