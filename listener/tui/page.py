"""The whole picture: a scene and a view, drawn as lines of styled text."""

import textwrap
from datetime import datetime

from listener.base import text
from listener.base.text import plain
from listener.base.text_width import cells
from listener.base.version import __version__
from listener.tui.events import events
from listener.tui.keys import HELP
from listener.tui.lines import Line, cropped, length, spread
from listener.tui.panes import panes
from listener.tui.scene import Scene
from listener.tui.timeline import timeline
from listener.tui.view import Shot
from listener.tuning.save_result import SaveResult

LEAST_WIDTH, LEAST_HEIGHT = 56, 14
HINTS = (  # the first for which there is room beside what is to be said
    "q quit  p pause  m mute  up/down +/- threshold  ? help ",
    "q quit  p pause  m mute  ? help ",
    "? help ",
)


def draw(shot: Shot, width: int, height: int) -> list[Line]:
    """At most `height` lines, each at most `width` wide, whatever is to be seen."""
    scene, page = shot.scene, shot.view.page
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        lines = _centred(
            [f"the window is {width}x{height}", f"{LEAST_WIDTH}x{LEAST_HEIGHT} is the least"], width, height
        )
    elif page == "help":
        lines = _help(width)
    elif page == "keep" and shot.view.kept:
        lines = _kept(shot.view.kept, width)
    elif scene.hello is None:
        lines = _waiting(scene, width, height)
    else:
        lines = _picture(shot, width, height)
    return [cropped(line, width) for line in lines[:height]]


def _picture(shot: Shot, width: int, height: int) -> list[Line]:
    body = height - 3
    spans, listed = max(1, min(8, body // 7)), max(1, min(16, body // 6))
    above = panes(shot, width, body - spans - listed - 2)
    listed = body - len(above) - spans - 2
    lines = [_header(shot, width), *above]
    lines += timeline(shot, width, spans)
    lines += events(shot, width, listed)
    lines.append(_sinks(shot))
    if shot.scene.absence:
        lines = [_dimmed(line) for line in lines]
    return [*lines, _foot(shot.scene, width)]


def _header(shot: Shot, width: int) -> Line:
    hello, status = shot.scene.hello, shot.scene.status
    left: Line = [(" listener ", "bold")]
    if hello:
        left.append((f"{plain(hello.version)}  {plain(hello.model)} on {plain(hello.provider)}", "dim"))
    right: Line = [(" paused, p: go on ", "reverse bold")] if shot.view.paused else []
    if status:
        right.append((f"  cpu {100 * status.cpu:.1f} %  up {text.duration(status.uptime_s)} ", "dim"))
    return spread(left, right, width)


def _sinks(shot: Shot) -> Line:
    """Each sink, what waits in it and what it has lost."""
    status = shot.scene.status
    if status is None:
        return []
    line: Line = [(" to", "dim")]
    for name, lost in status.sinks.items():
        waiting = status.waiting.get(name, 0)
        line.append((f"{f' {shot.look.dot}' if len(line) > 1 else ''} {plain(name)}", "dim"))
        line += [(f" {waiting} waiting", "")] if waiting else []
        line += [(f" {lost} lost", "bold yellow")] if lost else []
    return line


def _foot(scene: Scene, width: int) -> Line:
    """What is to be said, and as many hints as there is room for beside it."""
    left: Line = [(f" {scene.notice}", "yellow")] if scene.notice else []
    if scene.absence:
        left = [(f" {_since(scene)}: {scene.absence.why}", "bold yellow")]
    hints = next((each for each in HINTS if length(left) + len(each) + 1 <= width), "")
    return spread(left, [(hints, "dim")], width) if hints else left


def _since(scene: Scene) -> str:
    since = datetime.fromtimestamp(scene.absence.since if scene.absence else 0.0).astimezone()
    return f"{since:%H:%M:%S}"


def _dimmed(line: Line) -> Line:
    """What is no longer so; the picture is grey already."""
    return [(piece, style if "#" in style else "dim") for piece, style in line]


def _waiting(scene: Scene, width: int, height: int) -> list[Line]:
    """No daemon yet."""
    why = scene.absence.why if scene.absence else "connecting"
    said = ["listener " + __version__, "", *_wrapped(why, width - 8)]
    if scene.absence:
        said += ["", f"waiting since {_since(scene)}; q: quit"]
    return _centred(said, width, height)


def _wrapped(sentence: str, width: int) -> list[str]:
    """A long path is broken, and not cut off. textwrap counts characters: the widest have two cells."""
    lines = textwrap.wrap(sentence, max(width, 1), break_on_hyphens=False)
    if all(cells(line) <= width for line in lines):
        return lines
    return textwrap.wrap(sentence, max(width // 2, 1), break_on_hyphens=False)


def _centred(said: list[str], width: int, height: int) -> list[Line]:
    above = max(0, (height - len(said)) // 2)
    return [*([] for _ in range(above)), *([(_middle(line, width), "")] for line in said)]


def _middle(line: str, width: int) -> str:
    return " " * ((width - cells(line)) // 2) + line


def _help(width: int) -> list[Line]:
    lines: list[Line] = [[(" listener, keys", "bold")], []]
    lines += [[(f"   {keys:<14}", "bold cyan"), (meaning, "")] for keys, meaning in HELP]
    said = "A change holds until it is taken back or the daemon ends. Any key: back to the picture."
    return [*lines, [], *([(f" {line}", "dim")] for line in _wrapped(said, width - 2))]


def _kept(kept: SaveResult, width: int) -> list[Line]:
    """Where the thresholds are now, or what to write and why; and what was, or is to be, written."""
    where = plain(str(kept.path))
    if not kept.path:
        title, said = "To keep the thresholds, write into the configuration:", plain(kept.why)
    elif not kept.settings:
        title, said = "The configuration says so already.", where
    else:
        title, said = "Written into the configuration, and in force already:", where
    was = [f"as it was: {plain(str(kept.backup))}"] if kept.backup else []
    told = [line for each in (said, *was, "Any key: back to the picture.") for line in _wrapped(each, width - 2)]
    lines: list[Line] = [[(f" {title}", "bold")], []]
    lines += [[(f"   {line}", "")] for line in kept.lines]
    return [*lines, *([[]] if kept.lines else []), *([(f" {line}", "dim")] for line in told)]
