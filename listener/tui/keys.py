"""What each key does to the view or the daemon."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from listener.messages import Command
from listener.tui.lines import threshold_text
from listener.tui.scene import Scene
from listener.tui.view import View

STEP = 0.05
LOWEST, HIGHEST = 0.01, 0.999

PENDING = "saved thresholds take effect after `listener reload`"

HELP = (
    ("q", "quit"),
    ("p, space", "pause the picture; again: catch up"),
    ("tab, 1-9", "choose a microphone, if there are several"),
    ("m", "mute the microphone: report nothing of it; again: unmute it"),
    ("up, down", "select a label"),
    ("+, -", "change its threshold, the score from which it is reported"),
    ("0", "reset its threshold to the configured one"),
    ("s", "snooze the label: do not report it; again: wake it"),
    ("w", "save changed thresholds in the configuration"),
    ("?", "this page"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """The effect of a key."""

    view: View
    command: Command | None = None  # for the daemon
    notice: str = ""
    then: Literal["", "quit", "suspend", "repaint", "save"] = ""


def pressed(key: str, scene: Scene, view: View) -> Step:
    """The effect of a key. Unknown keys have none."""
    match key:
        case "q" | "Q":
            return Step(view, then="quit")
        case "ctrl-z":
            return Step(view, then="suspend")
        case "ctrl-l":
            return Step(view, then="repaint")
    if view.page:
        return Step(replace(view, page=""))
    if key.isdecimal() and key != "0":
        return _choose(scene, view, int(key) - 1)
    action = _ACTIONS.get(key)
    return action(scene, view) if action else Step(view)


def _pause(_scene: Scene, view: View) -> Step:
    return Step(replace(view, paused=not view.paused))


def _help(_scene: Scene, view: View) -> Step:
    return Step(replace(view, page="help"))


def _save(scene: Scene, view: View) -> Step:
    if not scene.state.thresholds:
        pending = any(_is_pending(scene, view, label) for label in (view.saved.thresholds if view.saved else ()))
        notice = f"nothing to save; {PENDING}" if pending else "no threshold was changed: use up, down, then + and -"
        return Step(view, notice=notice)
    return Step(view, then="save")


def _next_source(scene: Scene, view: View) -> Step:
    return _choose(scene, view, scene.sources.index(view.chosen(scene)) + 1) if scene.sources else Step(view)


def _choose(scene: Scene, view: View, number: int) -> Step:
    names = scene.sources
    return Step(replace(view, source=names[number % len(names)])) if names else Step(view)


def _mute(scene: Scene, view: View) -> Step:
    return _toggle(scene, view, view.chosen(scene))


def _snooze(scene: Scene, view: View) -> Step:
    return _toggle(scene, view, view.label) if view.label else _unselected(view)


def _toggle(scene: Scene, view: View, what: str) -> Step:
    if not what:
        return Step(view)
    snoozed = scene.snoozed(what)
    others = " and ".join(other for other in snoozed if other != what)
    if what in snoozed:
        notice = f"{what} is not reported while {others} is snoozed" if others else f"{what} is reported again"
        return Step(view, Command(command="wake", what=what), notice)
    if others:
        return Step(view, notice=f"{what} is not reported while {others} is snoozed; use `listener wake {others}`")
    return Step(view, Command(command="snooze", what=what), f"{what} is no longer reported")


def _select(by: int) -> Callable[[Scene, View], Step]:
    def step(scene: Scene, view: View) -> Step:
        labels = [label for label, _ in scene.ranked(view.chosen(scene))]
        if not labels:
            return Step(view)
        at = labels.index(view.label) + by if view.label in labels else 0
        return Step(replace(view, label=labels[max(0, min(at, len(labels) - 1))]))

    return step


def _tune(by: float) -> Callable[[Scene, View], Step]:
    def step(scene: Scene, view: View) -> Step:
        now = scene.threshold(view.label)
        if now is None:
            return _unselected(view)
        on = max(LOWEST, min(round(now + by, 2), HIGHEST))
        notice = f"{view.label}: reported from {threshold_text(on)}; w: save it"
        return Step(view, Command(command="threshold", what=view.label, on=on), notice)

    return step


def _configured(scene: Scene, view: View) -> Step:
    if not view.label:
        return _unselected(view)
    notice = f"{view.label} has its configured threshold"
    notice = f"{notice}; {PENDING}" if _is_pending(scene, view, view.label) else notice
    return Step(view, Command(command="threshold", what=view.label), notice)


def _is_pending(scene: Scene, view: View, label: str) -> bool:
    """Whether the label's threshold was saved, and the daemon has not read it since."""
    written = view.saved.thresholds.get(label) if view.saved and view.saved.path else None
    read = scene.hello.thresholds.get(label) if scene.hello else None
    return None not in (written, read) and written != read


def _unselected(view: View) -> Step:
    return Step(view, notice="select a label first, with up and down")


_ACTIONS: dict[str, Callable[[Scene, View], Step]] = {
    "p": _pause,
    " ": _pause,
    "?": _help,
    "h": _help,
    "w": _save,
    "tab": _next_source,
    "m": _mute,
    "s": _snooze,
    "up": _select(-1),
    "k": _select(-1),
    "down": _select(1),
    "j": _select(1),
    "+": _tune(STEP),
    "=": _tune(STEP),
    "-": _tune(-STEP),
    "0": _configured,
}
