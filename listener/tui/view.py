"""What the user has chosen to see, and everything that a picture is drawn from."""

from dataclasses import dataclass
from typing import Literal

from listener.tui.lines import UNICODE, Glyphs
from listener.tui.scene import Scene
from listener.tuning.save_result import SaveResult

Page = Literal["", "help", "saved"]


@dataclass(frozen=True, slots=True)
class View:
    """The user's choices. A source or label that no longer exists counts as none."""

    source: str = ""
    label: str = ""
    paused: bool = False
    page: Page = ""  # over the picture
    saved: SaveResult | None = None  # of the last wish to save thresholds, for its page

    def chosen(self, scene: Scene) -> str:
        """The source that keys act on: the first, unless another was chosen."""
        return self.source if self.source in scene.sources else next(iter(scene.sources), "")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a picture depends on, except its size."""

    scene: Scene
    view: View = View()
    glyphs: Glyphs = UNICODE
    now: float = 0.0  # Unix time

    @property
    def chosen(self) -> str:
        """The source that keys act on."""
        return self.view.chosen(self.scene)
