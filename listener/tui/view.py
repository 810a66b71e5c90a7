"""What a user has chosen to see of a scene, and all that a picture is made of."""

from dataclasses import dataclass
from typing import Literal

from listener.tui.lines import UNICODE, Look
from listener.tui.scene import Scene
from listener.tuning.save_result import SaveResult

Page = Literal["", "help", "keep"]


@dataclass(frozen=True, slots=True)
class View:
    """The choices. A source or label that is no longer there is as none."""

    source: str = ""
    label: str = ""
    paused: bool = False
    page: Page = ""  # over the picture
    kept: SaveResult | None = None  # what came of the wish to keep thresholds, for its page

    def chosen(self, scene: Scene) -> str:
        """The source that keys are about: the first, unless another was chosen."""
        return self.source if self.source in scene.sources else next(iter(scene.sources), "")


@dataclass(frozen=True, slots=True)
class Shot:
    """Everything that a picture depends on, but its size."""

    scene: Scene
    view: View = View()
    look: Look = UNICODE
    now: float = 0.0  # Unix

    @property
    def chosen(self) -> str:
        """The source that keys are about."""
        return self.view.chosen(self.scene)
